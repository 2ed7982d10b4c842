/* Indices of proxies in shared memory.  Master. */
#include "proxy_index.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int proxy_index_assign(struct proxy_index *p, struct conf *c, struct err *reterr)
{
	for (unsigned i = 0; i < c->proxies; i++) {
		unsigned at = 0;
		while (at < p->count && strcmp(p->name[at], c->proxy[i]->name) != 0)
			at++;
		if (at == STATS_UPSTREAMS)
			return err_set(reterr, -ENOSPC, "[proxy %s] is one name more than %d since the start: restart to forget the "
			               "old ones", c->proxy[i]->name, STATS_UPSTREAMS);
		if (at == p->count)
			(void)snprintf(p->name[p->count++], sizeof(p->name[0]), "%s", c->proxy[i]->name);
		c->proxy[i]->index = at;
	}
	return 0;
}
