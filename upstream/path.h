/* The grammar of the distribution specification: repository names, tags, digests.  Worker and keeper.
 * Its alphabet needs no escapes, so a path that has one is refused and never decoded: what is checked is what
 * goes out.  distribution-spec, "Pulling manifests" and "Digests". */
#ifndef PATH_H
#define PATH_H

#include "strview.h"

#define PATH_NAME_MAX 255 /* bytes of a repository name */
#define PATH_TAG_MAX  128

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* components with '/' between them, 1..PATH_NAME_MAX bytes. */
bool path_is_name(struct strview s);
/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
bool path_is_tag(struct strview s);
/* algorithm:hex with a registered algorithm and exactly its number of lower-case digits. */
bool path_is_digest(struct strview s);

#endif
