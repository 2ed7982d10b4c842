/* Indices of proxies in shared memory: given once per name and daemon, never reused, so that counters stay with the name
 * over reloads.  Master. */
#ifndef PROXY_INDEX_H
#define PROXY_INDEX_H

#include "conf.h"
#include "stats.h"

struct proxy_index {
	char name[STATS_UPSTREAMS][CONF_NAME_MAX + 16];
	unsigned count;
};

/* Gives every proxy of c its index.  0; -ENOSPC with reterr: too many names were seen since the start. */
MUST_CHECK int proxy_index_assign(struct proxy_index *p, struct conf *c, struct err *reterr);

#endif
