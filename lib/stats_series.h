/* Every series that /metrics and `GET /v1/stats` show, made from shared memory in one place, so that both always
 * agree.  Keeper and master. */
#ifndef STATS_SERIES_H
#define STATS_SERIES_H

#include "shm.h"

#define SERIES_NAME_MAX 256

struct series_source {
	const struct shm *shm;
	const char *const *upstream; /* names of the proxies, by stats index; NULL = that index is not in use */
	unsigned upstreams;          /* <= STATS_UPSTREAMS */
	const char *version;         /* label of regrelay_build_info */
};

enum series_kind { SERIES_COUNTER, SERIES_GAUGE, SERIES_HISTOGRAM };

struct series {
	enum series_kind kind;
	const char *family; /* metric name without labels, and without _bucket, _sum, _count of a histogram */
	const char *help;
	const char *name;   /* with labels, as exposed; unique in one walk */
	double value;
	bool first;         /* first of its family: HELP and TYPE belong before it */
};

struct series_visitor {
	/* 0 = go on; anything else ends the walk and is returned.  s lives for the call only. */
	int (*visit)(struct series_visitor *v, const struct series *s);
};

/* Visits all series, those of one family in a row.  0 or what visit returned. */
int series_each(const struct series_source *src, struct series_visitor *v);

#endif
