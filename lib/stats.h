/* Counters in shared memory: one slot per process, its owner is the only writer, everybody reads, nobody locks
 * (relaxed atomics).  Readers treat what they read as claims of the owner: never as an index, never asserted on. */
#ifndef STATS_H
#define STATS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "cleanup.h"
#include "strview.h"

#define STATS_UPSTREAMS 64 /* proxies by index; indices are given once per name and daemon */

enum stats_route { ROUTE_PING, ROUTE_MANIFEST, ROUTE_BLOB, ROUTE_TAGS, ROUTE_REFERRERS, ROUTE_TOKEN, ROUTE_OTHER, ROUTE_COUNT };
enum stats_method { STATS_GET, STATS_HEAD, STATS_METHOD_OTHER, STATS_METHODS };

/* Status codes that get a series of their own; all others count as "other". */
#define STATS_CODES(X) X(200) X(204) X(206) X(301) X(302) X(303) X(304) X(307) X(308) X(400) X(401) X(403)  \
	X(404) X(405) X(406) X(408) X(413) X(414) X(416) X(417) X(429) X(431) X(500) X(501) X(502) X(503) X(504) X(505)
enum stats_code {
#define X(code) STATS_CODE_##code,
	STATS_CODES(X)
#undef X
	STATS_CODE_OTHER,
	STATS_CODE_COUNT
};

/* Why an exchange with an upstream failed (label reason). */
enum stats_reason { REASON_DNS, REASON_CONNECT, REASON_PROXY, REASON_TLS, REASON_TIMEOUT, REASON_RESET, REASON_PROTOCOL, REASON_COUNT };

#define STATS_BOUNDS 15
/* How often a value came, by its size; the last bucket takes what is beyond all bounds. */
struct stats_histogram {
	_Atomic uint64_t bucket[STATS_BOUNDS + 1];
	_Atomic uint64_t sum;
};

/* The upper bounds of the buckets, inclusive and rising, and how many of their unit make the unit of the series. */
struct stats_scale {
	unsigned bounds; /* <= STATS_BOUNDS */
	double unit;
	uint64_t bound[STATS_BOUNDS];
};
extern const struct stats_scale stats_scale_ms;    /* shown in seconds */
extern const struct stats_scale stats_scale_bytes; /* shown in bytes */

struct stats_upstream {
	_Atomic uint64_t connects;        /* connections opened */
	_Atomic uint64_t reused;          /* exchanges on a pooled connection */
	_Atomic uint64_t connections;     /* gauge: open now, idle ones included */
	_Atomic uint64_t idle;            /* gauge: of these, in the pool */
	_Atomic uint64_t waiting;         /* gauge: fetches queued for a connection */
	_Atomic uint64_t breaker_open;    /* gauge: 1 while the breaker is open */
	_Atomic uint64_t breaker_opens;
	_Atomic uint64_t requests[STATS_CODE_COUNT];
	_Atomic uint64_t errors[REASON_COUNT];
	struct stats_histogram connect;   /* ms */
	_Atomic uint64_t last_success_ms; /* CLOCK_MONOTONIC; 0 = never */
	_Atomic uint64_t last_error_ms;
	_Atomic uint32_t last_error;      /* enum reply_id of the last failure (upstream/errors.def); a claim */
};

struct stats_slot {
	alignas(64) _Atomic uint64_t beat_ms; /* CLOCK_MONOTONIC of the last loop turn; an idle process beats every 500 ms */
	_Atomic uint64_t cpu_us;              /* user + system so far, of all owners of the slot together */
	_Atomic uint64_t sessions;            /* gauge: client connections open */
#define COUNTER(field, series, help) _Atomic uint64_t field;
#define GAUGE(field, series, help)   _Atomic uint64_t field;
#include "stats.def"
#undef COUNTER
#undef GAUGE
	_Atomic uint64_t in_flight[ROUTE_COUNT]; /* gauge */
	_Atomic uint64_t requests[ROUTE_COUNT][STATS_METHODS][STATS_CODE_COUNT];
	struct stats_histogram duration[ROUTE_COUNT];   /* ms, from head to the last byte */
	struct stats_histogram first_byte[ROUTE_COUNT]; /* ms, from head to head */
	struct stats_histogram size[ROUTE_COUNT];       /* bytes of the answer's body */
	struct stats_upstream upstream[STATS_UPSTREAMS];
};

/* The owner's own arithmetic: it is the only writer, so no locked instruction is needed. */
static inline uint64_t stats_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void stats_set(_Atomic uint64_t *c, uint64_t v)
{
	atomic_store_explicit(c, v, memory_order_relaxed);
}

static inline void stats_add(_Atomic uint64_t *c, uint64_t n)
{
	stats_set(c, stats_get(c) + n);
}

static inline void stats_sub(_Atomic uint64_t *c, uint64_t n)
{
	stats_set(c, stats_get(c) - n);
}

/* The owner counts a value. */
void stats_observe(struct stats_histogram *h, const struct stats_scale *scale, uint64_t value);

enum stats_code stats_code_of(unsigned status);
const char *stats_code_name(enum stats_code c);       /* "200" ... "other" */
const char *stats_route_name(enum stats_route r);     /* "ping" ... */
const char *stats_method_name(enum stats_method m);   /* "GET", "HEAD", "other" */
const char *stats_reason_name(enum stats_reason r);   /* "dns" ... */

/* Sets every gauge of a slot whose owner is gone to 0 (counters stay). */
void stats_zero_gauges(struct stats_slot *slot);

/* Writes rusage, RSS and the number of open fds of this process into its slot; cheap enough for once a second.
 * Needs /proc, from which the first call of a process opens what all later ones read: what cannot be read stays as it was. */
void stats_report_process(struct stats_slot *slot);
/* Closes what that opened. */
void stats_report_end(void);

#endif
