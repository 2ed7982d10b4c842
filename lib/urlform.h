/* application/x-www-form-urlencoded, as it leaves us.  Any process. */
#ifndef URLFORM_H
#define URLFORM_H

#include "buf.h"

/* Appends "name=value", with a '&' before it when b has something already; value is encoded, name must need none.  False:
 * no room, and b may hold a part of it. */
MUST_CHECK bool urlform_put(struct buf *b, struct strview name, struct strview value);

#endif
