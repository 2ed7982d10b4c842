/* What the keeper gives up once it has all that it needs.  Keeper. */
#ifndef KEEPER_CONFINE_H
#define KEEPER_CONFINE_H

#include "heritage.h"

/* Only /etc, where the resolver's configuration really is, /dev/urandom, and the directories of credentials and CA bundles of the
 * proxies can be read, and nothing be written; no program is started.  By [master] sandbox: 0, also when it is off or the kernel lacks
 * a part; -errno with reterr. */
MUST_CHECK int keeper_confine(const struct heritage *h, struct err *reterr);

#endif
