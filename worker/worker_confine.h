/* What a worker gives up once it has all that it needs.  Worker. */
#ifndef WORKER_CONFINE_H
#define WORKER_CONFINE_H

#include "heritage.h"

/* No file is opened any more, no program started; only the ports of the configured proxies and registries can be connected
 * to.  By [master] sandbox: 0, also when it is off or the kernel lacks a part (which is logged); -errno with reterr. */
MUST_CHECK int worker_confine(const struct heritage *h, struct err *reterr);

#endif
