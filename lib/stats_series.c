/* Every series that /metrics and `GET /v1/stats` show, made from shared memory.  Keeper and master. */
#include "stats_series.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

struct upstream_totals {
	uint64_t connects, reused, connections, idle, waiting;
	uint64_t requests[STATS_CODE_COUNT], errors[REASON_COUNT];
	struct series_seen seen;
};

struct totals {
	uint64_t cpu_us;
#define COUNTER(field, series, help) uint64_t field;
#define GAUGE(field, series, help)   uint64_t field;
#include "stats.def"
#undef COUNTER
#undef GAUGE
	uint64_t requests[ROUTE_COUNT][STATS_METHODS][STATS_CODE_COUNT];
	struct upstream_totals upstream[STATS_UPSTREAMS];
};

struct walk {
	const struct series_source *src;
	struct series_visitor *visitor;
	struct totals sum;
	char family[SERIES_NAME_MAX]; /* of the last series */
	int r;                        /* not 0 = the visitor ended the walk */
};

/* --- sums over the slots ------------------------------------------------------------------------- */

/* Slots that never had an owner are left alone: reading them would make the kernel find memory for them. */
static unsigned slots_of(const struct shm *shm)
{
	uint32_t used = atomic_load_explicit(&shm->slots_used, memory_order_relaxed);

	return used > 0 && used < SHM_SLOTS ? used : SHM_SLOTS;
}

static void add_seen(struct series_seen *seen, const struct stats_upstream *u)
{
	uint64_t success_ms = stats_get(&u->last_success_ms), error_ms = stats_get(&u->last_error_ms);

	if (success_ms > seen->success_ms)
		seen->success_ms = success_ms;
	if (error_ms > seen->error_ms) {
		seen->error_ms = error_ms;
		seen->error = atomic_load_explicit(&u->last_error, memory_order_relaxed);
	}
}

static void add_upstream(struct upstream_totals *t, const struct stats_upstream *u)
{
	t->connects += stats_get(&u->connects);
	t->reused += stats_get(&u->reused);
	t->connections += stats_get(&u->connections);
	t->idle += stats_get(&u->idle);
	t->waiting += stats_get(&u->waiting);
	for (size_t i = 0; i < STATS_CODE_COUNT; i++)
		t->requests[i] += stats_get(&u->requests[i]);
	for (size_t i = 0; i < REASON_COUNT; i++)
		t->errors[i] += stats_get(&u->errors[i]);
	add_seen(&t->seen, u);
}

static void add_slot(struct walk *w, const struct stats_slot *slot)
{
	struct totals *t = &w->sum;

	t->cpu_us += stats_get(&slot->cpu_us);
#define COUNTER(field, series, help) t->field += stats_get(&slot->field);
#define GAUGE(field, series, help)   t->field += stats_get(&slot->field);
#include "stats.def"
#undef COUNTER
#undef GAUGE
	for (size_t r = 0; r < ROUTE_COUNT; r++)
		for (size_t m = 0; m < STATS_METHODS; m++)
			for (size_t c = 0; c < STATS_CODE_COUNT; c++)
				t->requests[r][m][c] += stats_get(&slot->requests[r][m][c]);
	for (unsigned i = 0; i < w->src->upstreams; i++)
		if (w->src->upstream[i])
			add_upstream(&t->upstream[i], &slot->upstream[i]);
}

struct series_seen series_upstream_seen(const struct shm *shm, unsigned index)
{
	struct series_seen seen = { 0 };

	for (unsigned i = 0; i < slots_of(shm); i++)
		add_seen(&seen, &shm->slot[i].upstream[index]);
	return seen;
}

/* --- one series ---------------------------------------------------------------------------------- */

static void emit(struct walk *w, enum series_kind kind, const char *help, double value, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void emit(struct walk *w, enum series_kind kind, const char *help, double value, const char *fmt, ...)
{
	char name[SERIES_NAME_MAX], family[SERIES_NAME_MAX];
	va_list ap;

	if (w->r != 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	(void)snprintf(family, sizeof(family), "%.*s", (int)strcspn(name, "{"), name);
	const struct series s = {
		.kind = kind,
		.family = family,
		.help = help,
		.name = name,
		.value = value,
		.first = strcmp(family, w->family) != 0,
	};
	w->r = w->visitor->visit(w->visitor, &s);
	memcpy(w->family, family, sizeof(family));
}

static void counter(struct walk *w, const char *name, const char *help, uint64_t value)
{
	emit(w, SERIES_COUNTER, help, (double)value, "%s", name);
}

static void gauge(struct walk *w, const char *name, const char *help, uint64_t value)
{
	emit(w, SERIES_GAUGE, help, (double)value, "%s", name);
}

/* A label's value as the text format wants it; cut when it is longer than a name may be. */
static const char *label(char *dst, size_t cap, const char *text)
{
	size_t n = 0;

	for (; *text && n + 3 < cap; text++) {
		if (*text == '"' || *text == '\\' || *text == '\n')
			dst[n++] = '\\';
		dst[n++] = *text == '\n' ? 'n' : *text;
	}
	dst[n] = '\0';
	return dst;
}

/* --- the families -------------------------------------------------------------------------------- */

/* A code that never came has no series, or there would be hundreds of zeros; 200 is there from the start, so
 * that a rate can be taken from the first request on. */
static void emit_requests(struct walk *w)
{
	for (unsigned r = 0; r < ROUTE_COUNT; r++)
		for (unsigned m = 0; m < STATS_METHODS; m++)
			for (unsigned c = 0; c < STATS_CODE_COUNT; c++) {
				uint64_t n = w->sum.requests[r][m][c];
				if (n == 0 && (c != STATS_CODE_200 || m == STATS_METHOD_OTHER))
					continue;
				emit(w, SERIES_COUNTER, "Requests answered, by what was asked for", (double)n,
				     "regrelay_http_requests_total{route=\"%s\",method=\"%s\",code=\"%s\"}",
				     stats_route_name(r), stats_method_name(m), stats_code_name(c));
			}
}

/* Seconds since 1970 of a moment on the monotonic clock; 0 = never. */
static double wall_seconds(uint64_t at_ms)
{
	uint64_t now_ms = clock_now_ms(), wall_ms = clock_wall_ms();

	if (at_ms == 0)
		return 0;
	return (double)(wall_ms - (now_ms > at_ms ? now_ms - at_ms : 0)) / 1000;
}

static void emit_upstream_requests(struct walk *w, const struct upstream_totals *t, const char *name)
{
	for (unsigned c = 0; c < STATS_CODE_COUNT; c++)
		if (t->requests[c] > 0 || c == STATS_CODE_200)
			emit(w, SERIES_COUNTER, "Answers of the upstream, by status", (double)t->requests[c],
			     "regrelay_upstream_requests_total{upstream=\"%s\",code=\"%s\"}", name,
			     stats_code_name(c));
}

static void emit_upstream_errors(struct walk *w, const struct upstream_totals *t, const char *name)
{
	for (unsigned i = 0; i < REASON_COUNT; i++)
		emit(w, SERIES_COUNTER, "Exchanges with the upstream that failed", (double)t->errors[i],
		     "regrelay_upstream_errors_total{upstream=\"%s\",reason=\"%s\"}", name, stats_reason_name(i));
}

static void emit_upstream_connections(struct walk *w, const struct upstream_totals *t, const char *name)
{
	static const char help[] = "Connections to the upstream";
	/* The two are not read in one moment. */
	uint64_t active = t->connections > t->idle ? t->connections - t->idle : 0;

	emit(w, SERIES_GAUGE, help, (double)active,
	     "regrelay_upstream_connections{upstream=\"%s\",state=\"active\"}", name);
	emit(w, SERIES_GAUGE, help, (double)t->idle,
	     "regrelay_upstream_connections{upstream=\"%s\",state=\"idle\"}", name);
}

static void emit_upstream_connects(struct walk *w, const struct upstream_totals *t, const char *name)
{
	emit(w, SERIES_COUNTER, "Connections opened to the upstream", (double)t->connects,
	     "regrelay_upstream_connects_total{upstream=\"%s\"}", name);
}

static void emit_upstream_reused(struct walk *w, const struct upstream_totals *t, const char *name)
{
	emit(w, SERIES_COUNTER, "Exchanges on a connection that was open already", (double)t->reused,
	     "regrelay_upstream_reused_total{upstream=\"%s\"}", name);
}

static void emit_upstream_waiting(struct walk *w, const struct upstream_totals *t, const char *name)
{
	emit(w, SERIES_GAUGE, "Exchanges that wait for a connection", (double)t->waiting,
	     "regrelay_upstream_waiting{upstream=\"%s\"}", name);
}

static void emit_upstream_up(struct walk *w, const struct upstream_totals *t, const char *name)
{
	emit(w, SERIES_GAUGE, "0 when the last exchange with the upstream failed; 1 otherwise, also before any",
	     series_seen_down(&t->seen) ? 0 : 1, "regrelay_upstream_up{upstream=\"%s\"}", name);
}

static void emit_upstream_success(struct walk *w, const struct upstream_totals *t, const char *name)
{
	emit(w, SERIES_GAUGE, "When the upstream last answered; 0 = never", wall_seconds(t->seen.success_ms),
	     "regrelay_upstream_last_success_timestamp_seconds{upstream=\"%s\"}", name);
}

/* Family by family, so that all upstreams of one stand in a row. */
static void emit_upstreams(struct walk *w)
{
	static void (*const families[])(struct walk *, const struct upstream_totals *, const char *) = {
		emit_upstream_requests, emit_upstream_errors,  emit_upstream_connections, emit_upstream_connects,
		emit_upstream_reused,   emit_upstream_waiting, emit_upstream_up,          emit_upstream_success,
	};
	char name[SERIES_NAME_MAX / 2];

	for (size_t f = 0; f < ARRAY_LEN(families); f++)
		for (unsigned i = 0; i < w->src->upstreams; i++)
			if (w->src->upstream[i])
				families[f](w, &w->sum.upstream[i],
				            label(name, sizeof(name), w->src->upstream[i]));
}

static void emit_reloads(struct walk *w)
{
	static const char reloads[] = "Reloads of the configuration";
	const struct shm *s = w->src->shm;

	counter(w, "regrelay_config_reloads_total{result=\"ok\"}", reloads, stats_get(&s->reloads_ok));
	counter(w, "regrelay_config_reloads_total{result=\"failed\"}", reloads, stats_get(&s->reloads_failed));
	gauge(w, "regrelay_config_last_reload_successful",
	      "0 while the configuration on disk was refused by the last reload", stats_get(&s->reload_failing) == 0);
	emit(w, SERIES_GAUGE, "When the last good reload was; 0 = none since the start",
	     (double)stats_get(&s->reloaded_wall_ms) / 1000, "regrelay_config_last_reload_success_timestamp_seconds");
}

static void emit_daemon(struct walk *w)
{
	static const char workers[] = "Workers of the serving generation", exits[] = "Workers that ended";
	const struct shm *s = w->src->shm;
	char version[64];

	emit(w, SERIES_GAUGE, "Constant 1; the label says which version runs", 1,
	     "regrelay_build_info{version=\"%s\"}", label(version, sizeof(version), w->src->version));
	emit(w, SERIES_GAUGE, "When the daemon was started", (double)stats_get(&s->started_wall_ms) / 1000,
	     "regrelay_start_time_seconds");
	gauge(w, "regrelay_config_generation", "Number of the configuration that serves; 0 = none yet",
	      atomic_load_explicit(&s->serving_generation, memory_order_relaxed));
	gauge(w, "regrelay_draining", "1 while the daemon drains or stops",
	      atomic_load_explicit(&s->draining, memory_order_relaxed) != 0);
	gauge(w, "regrelay_workers{state=\"ready\"}", workers, stats_get(&s->workers_ready));
	gauge(w, "regrelay_workers{state=\"wanted\"}", workers, stats_get(&s->workers_wanted));
	counter(w, "regrelay_worker_exits_total{reason=\"clean\"}", exits,
	        stats_get(&s->worker_exits[WORKER_EXIT_CLEAN]));
	counter(w, "regrelay_worker_exits_total{reason=\"crash\"}", exits,
	        stats_get(&s->worker_exits[WORKER_EXIT_CRASH]));
	counter(w, "regrelay_worker_exits_total{reason=\"killed\"}", exits,
	        stats_get(&s->worker_exits[WORKER_EXIT_KILLED]));
}

static void emit_rows(struct walk *w)
{
#define COUNTER(field, series, help) counter(w, series, help, w->sum.field);
#define GAUGE(field, series, help)   gauge(w, series, help, w->sum.field);
#include "stats.def"
#undef COUNTER
#undef GAUGE
}

int series_each(const struct series_source *src, struct series_visitor *v)
{
	struct walk w = { .src = src, .visitor = v };

	for (unsigned i = 0; i < slots_of(src->shm); i++)
		add_slot(&w, &src->shm->slot[i]);
	emit_daemon(&w);
	emit_reloads(&w);
	emit_requests(&w);
	emit_upstreams(&w);
	emit_rows(&w);
	emit(&w, SERIES_COUNTER, "User and system time of all processes", (double)w.sum.cpu_us / 1e6,
	     "process_cpu_seconds_total");
	return w.r;
}
