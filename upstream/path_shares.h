/* Does something between us and the connectivity proxy share connections between our keys?  A sidecar with a pool of its own
 * does, and then a connection that is fresh for us is bound to another virtual host or location id.  Worker and keeper.
 *
 * For a location id the proxy says so itself (400).  For a virtual host it says what it says when the mapping is missing (403
 * "Access denied to system"): that is taken for a shared path when the proxy has said 400 of the other kind lately, or when
 * the same virtual host was denied, then answered, and is denied again within PATH_SHARES_MS; a mapping that somebody takes
 * away is denied from then on. */
#ifndef PATH_SHARES_H
#define PATH_SHARES_H

#include "classify.h"
#include "upstream_impl.h"

#define PATH_SHARES_MS 60000

/* An exchange with that key had an answer that is the registry's. */
void path_seen_good(struct upstream *u, const struct pool_key *key);
/* A fresh connection was answered with v: true when that comes of a shared path. */
bool path_seen_denied(struct upstream *u, const struct pool_key *key, const struct verdict *v);

#endif
