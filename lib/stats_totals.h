/* What all slots counted, added up; a dead process' counters stay in its slot.  Keeper and master. */
#ifndef STATS_TOTALS_H
#define STATS_TOTALS_H

#include "shm.h"

/* When an upstream was last seen to answer and to fail, by any process; CLOCK_MONOTONIC, 0 = never. */
struct stats_seen {
	uint64_t success_ms, error_ms;
	uint32_t error; /* enum error_id of that failure; a claim */
};

struct stats_histogram_totals {
	uint64_t bucket[STATS_BOUNDS + 1], sum;
};

struct stats_upstream_totals {
	uint64_t connects, reused, connections, idle, waiting, breaker_open, breaker_opens;
	uint64_t requests[STATS_CODE_COUNT], errors[REASON_COUNT];
	struct stats_histogram_totals connect;
	struct stats_seen seen;
};

struct stats_totals {
	uint64_t cpu_us;
#define COUNTER(field, series, help) uint64_t field;
#define GAUGE(field, series, help)   uint64_t field;
#include "stats.def"
#undef COUNTER
#undef GAUGE
	uint64_t in_flight[ROUTE_COUNT];
	uint64_t requests[ROUTE_COUNT][STATS_METHODS][STATS_CODE_COUNT];
	struct stats_histogram_totals duration[ROUTE_COUNT], first_byte[ROUTE_COUNT], size[ROUTE_COUNT];
	struct stats_upstream_totals upstream[STATS_UPSTREAMS];
};

/* upstream: names by stats index; those that are NULL are left out.  upstreams <= STATS_UPSTREAMS. */
void stats_total(const struct shm *shm, const char *const *upstream, unsigned upstreams, struct stats_totals *ret);

/* index < STATS_UPSTREAMS. */
struct stats_seen stats_upstream_seen(const struct shm *shm, unsigned index);

/* The last thing seen was an error: the one rule of /readyz?upstream=1, regrelay_upstream_up and `regctl status`. */
static inline bool stats_seen_down(const struct stats_seen *seen)
{
	return seen->error_ms > seen->success_ms;
}

#endif
