/* Location and Link on their way to the client: URLs of the registry become paths, which mean the client's own authority
 * (RFC 3986 4.2), with the prefix and the `ns` by which the client reached it.  Worker. */
#ifndef LINKS_H
#define LINKS_H

#include "buf.h"
#include "route.h"

/* Appends a Location's value.  What leads to another host stays as it is.  False: no room. */
MUST_CHECK bool links_put_location(struct buf *b, struct strview value, const struct route *r);

/* Appends a Link's value: a list of <URL>; parameters (RFC 8288 3).  Likewise. */
MUST_CHECK bool links_put_link(struct buf *b, struct strview value, const struct route *r);

#endif
