/* Every series that /metrics and `GET /v1/stats` show, made from shared memory in one place, so that both always
 * agree.  Sums over slots; a dead process' counters stay in its slot.  Keeper and master. */
#ifndef STATS_SERIES_H
#define STATS_SERIES_H

#include "shm.h"

#define SERIES_NAME_MAX 256

/* When an upstream was last seen to answer and to fail, by any process; CLOCK_MONOTONIC, 0 = never. */
struct series_seen {
	uint64_t success_ms, error_ms;
	uint32_t error; /* enum error_id of that failure; a claim */
};

struct series_source {
	const struct shm *shm;
	const char *const *upstream; /* names of the proxies, by stats index; NULL = that index is not in use */
	unsigned upstreams;          /* <= STATS_UPSTREAMS */
	const char *version;         /* label of regrelay_build_info */
};

enum series_kind { SERIES_COUNTER, SERIES_GAUGE };

struct series {
	enum series_kind kind;
	const char *family; /* metric name without labels */
	const char *help;
	const char *name;   /* with labels, as exposed; unique in one walk */
	double value;
	bool first;         /* first of its family: HELP and TYPE belong before it */
};

struct series_visitor {
	/* 0 = go on; anything else ends the walk and is returned.  s lives for the call only. */
	int (*visit)(struct series_visitor *v, const struct series *s);
};

/* index < STATS_UPSTREAMS. */
struct series_seen series_upstream_seen(const struct shm *shm, unsigned index);

/* The last thing seen was an error: the one rule of /readyz?upstream=1, regrelay_upstream_up and `regctl status`. */
static inline bool series_seen_down(const struct series_seen *seen)
{
	return seen->error_ms > seen->success_ms;
}

/* Visits all series, those of one family in a row.  0 or what visit returned. */
int series_each(const struct series_source *src, struct series_visitor *v);

#endif
