/* Every series that /metrics and `GET /v1/stats` show, made from shared memory.  Keeper and master. */
#include "stats_series.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "stats_totals.h"

struct walk {
	const struct series_source *src;
	struct series_visitor *visitor;
	struct stats_totals sum;
	char family[SERIES_NAME_MAX]; /* of the last series */
	int r;                        /* not 0 = the visitor ended the walk */
};

/* --- one series ---------------------------------------------------------------------------------- */

static void visit(struct walk *w, const char *family, enum series_kind kind, const char *help, double value,
                  const char *name)
{
	const struct series s = {
		.kind = kind,
		.family = family,
		.help = help,
		.name = name,
		.value = value,
		.first = strcmp(family, w->family) != 0,
	};

	if (w->r != 0)
		return;
	w->r = w->visitor->visit(w->visitor, &s);
	(void)sv_copy(w->family, sizeof(w->family), sv_str(family));
}

static void emit_of(struct walk *w, const char *family, enum series_kind kind, const char *help, double value,
                    const char *fmt, ...) __attribute__((format(printf, 6, 7)));

static void emit_of(struct walk *w, const char *family, enum series_kind kind, const char *help, double value,
                    const char *fmt, ...)
{
	char name[SERIES_NAME_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	visit(w, family, kind, help, value, name);
}

static void emit(struct walk *w, enum series_kind kind, const char *help, double value, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Of the family that the name has in front of its labels. */
static void emit(struct walk *w, enum series_kind kind, const char *help, double value, const char *fmt, ...)
{
	char name[SERIES_NAME_MAX], family[SERIES_NAME_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	(void)sv_copy(family, sizeof(family), sv_make(name, strcspn(name, "{")));
	visit(w, family, kind, help, value, name);
}

static void counter(struct walk *w, const char *name, const char *help, uint64_t value)
{
	emit(w, SERIES_COUNTER, help, (double)value, "%s", name);
}

static void gauge(struct walk *w, const char *name, const char *help, uint64_t value)
{
	emit(w, SERIES_GAUGE, help, (double)value, "%s", name);
}

/* Buckets, sum and count; labels are NAME="VALUE". */
static void histogram(struct walk *w, const char *family, const char *help, const char *labels,
                      const struct stats_histogram_totals *h, const struct stats_scale *scale)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < scale->bounds; i++) {
		n += h->bucket[i];
		emit_of(w, family, SERIES_HISTOGRAM, help, (double)n, "%s_bucket{%s,le=\"%g\"}", family, labels,
		        (double)scale->bound[i] / scale->unit);
	}
	n += h->bucket[scale->bounds];
	emit_of(w, family, SERIES_HISTOGRAM, help, (double)n, "%s_bucket{%s,le=\"+Inf\"}", family, labels);
	emit_of(w, family, SERIES_HISTOGRAM, help, (double)h->sum / scale->unit, "%s_sum{%s}", family, labels);
	emit_of(w, family, SERIES_HISTOGRAM, help, (double)n, "%s_count{%s}", family, labels);
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

static void emit_in_flight(struct walk *w)
{
	for (unsigned r = 0; r < ROUTE_COUNT; r++)
		emit(w, SERIES_GAUGE, "Requests being answered", (double)w->sum.in_flight[r],
		     "regrelay_http_requests_in_flight{route=\"%s\"}", stats_route_name(r));
}

/* Of routes that were asked for, and from the start of those that every pull asks for. */
static void emit_route_histogram(struct walk *w, const char *family, const char *help,
                                 const struct stats_histogram_totals h[ROUTE_COUNT], const struct stats_scale *scale)
{
	char labels[64];

	for (unsigned r = 0; r < ROUTE_COUNT; r++) {
		uint64_t n = 0;
		for (unsigned i = 0; i <= STATS_BOUNDS; i++)
			n += h[r].bucket[i];
		if (n == 0 && r != ROUTE_PING && r != ROUTE_MANIFEST && r != ROUTE_BLOB)
			continue;
		(void)snprintf(labels, sizeof(labels), "route=\"%s\"", stats_route_name(r));
		histogram(w, family, help, labels, &h[r], scale);
	}
}

static void emit_times(struct walk *w)
{
	const struct stats_totals *t = &w->sum;

	emit_route_histogram(w, "regrelay_http_request_duration_seconds", "From the head of a request to the end of its answer",
	                     t->duration, &stats_scale_ms);
	emit_route_histogram(w, "regrelay_http_time_to_first_byte_seconds", "From the head of a request to that of its answer",
	                     t->first_byte, &stats_scale_ms);
	emit_route_histogram(w, "regrelay_http_response_size_bytes", "Bodies of answers", t->size, &stats_scale_bytes);
}

/* Seconds since 1970 of a moment on the monotonic clock; 0 = never. */
static double wall_seconds(uint64_t at_ms)
{
	uint64_t now_ms = clock_now_ms(), wall_ms = clock_wall_ms();

	if (at_ms == 0)
		return 0;
	return (double)(wall_ms - (now_ms > at_ms ? now_ms - at_ms : 0)) / 1000;
}

static void emit_upstream_requests(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	for (unsigned c = 0; c < STATS_CODE_COUNT; c++)
		if (t->requests[c] > 0 || c == STATS_CODE_200)
			emit(w, SERIES_COUNTER, "Answers of the upstream, by status", (double)t->requests[c],
			     "regrelay_upstream_requests_total{upstream=\"%s\",code=\"%s\"}", name,
			     stats_code_name(c));
}

static void emit_upstream_errors(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	for (unsigned i = 0; i < REASON_COUNT; i++)
		emit(w, SERIES_COUNTER, "Exchanges with the upstream that failed", (double)t->errors[i],
		     "regrelay_upstream_errors_total{upstream=\"%s\",reason=\"%s\"}", name, stats_reason_name(i));
}

static void emit_upstream_connections(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	static const char help[] = "Connections to the upstream";
	/* The two are not read in one moment. */
	uint64_t active = t->connections > t->idle ? t->connections - t->idle : 0;

	emit(w, SERIES_GAUGE, help, (double)active,
	     "regrelay_upstream_connections{upstream=\"%s\",state=\"active\"}", name);
	emit(w, SERIES_GAUGE, help, (double)t->idle,
	     "regrelay_upstream_connections{upstream=\"%s\",state=\"idle\"}", name);
}

static void emit_upstream_connects(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	emit(w, SERIES_COUNTER, "Connections opened to the upstream", (double)t->connects,
	     "regrelay_upstream_connects_total{upstream=\"%s\"}", name);
}

static void emit_upstream_reused(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	emit(w, SERIES_COUNTER, "Exchanges on a connection that was open already", (double)t->reused,
	     "regrelay_upstream_reused_total{upstream=\"%s\"}", name);
}

static void emit_upstream_connect_time(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	char labels[SERIES_NAME_MAX / 2 + 16];

	(void)snprintf(labels, sizeof(labels), "upstream=\"%s\"", name);
	histogram(w, "regrelay_upstream_connect_duration_seconds", "Opening a connection to the upstream", labels, &t->connect,
	          &stats_scale_ms);
}

static void emit_upstream_waiting(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	emit(w, SERIES_GAUGE, "Exchanges that wait for a connection", (double)t->waiting,
	     "regrelay_upstream_waiting{upstream=\"%s\"}", name);
}

static void emit_upstream_breaker_open(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	emit(w, SERIES_GAUGE, "Processes whose circuit breaker for the upstream is open", (double)t->breaker_open,
	     "regrelay_upstream_breaker_open{upstream=\"%s\"}", name);
}

static void emit_upstream_breaker_opens(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	emit(w, SERIES_COUNTER, "Times a circuit breaker for the upstream opened", (double)t->breaker_opens,
	     "regrelay_upstream_breaker_opens_total{upstream=\"%s\"}", name);
}

static void emit_upstream_up(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	emit(w, SERIES_GAUGE, "0 when the last exchange with the upstream failed; 1 otherwise, also before any",
	     stats_seen_down(&t->seen) ? 0 : 1, "regrelay_upstream_up{upstream=\"%s\"}", name);
}

static void emit_upstream_success(struct walk *w, const struct stats_upstream_totals *t, const char *name)
{
	emit(w, SERIES_GAUGE, "When the upstream last answered; 0 = never", wall_seconds(t->seen.success_ms),
	     "regrelay_upstream_last_success_timestamp_seconds{upstream=\"%s\"}", name);
}

/* Family by family, so that all upstreams of one stand in a row. */
static void emit_upstreams(struct walk *w)
{
	static void (*const families[])(struct walk *, const struct stats_upstream_totals *, const char *) = {
		emit_upstream_requests, emit_upstream_errors,  emit_upstream_connections, emit_upstream_connects,
		emit_upstream_reused,   emit_upstream_waiting, emit_upstream_up,          emit_upstream_success,
		emit_upstream_connect_time, emit_upstream_breaker_open, emit_upstream_breaker_opens,
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

static void emit_certificate(struct walk *w)
{
	emit(w, SERIES_GAUGE, "When the certificate ends; 0 = there is none", (double)stats_get(&w->src->shm->certificate_until_s),
	     "regrelay_tls_certificate_expiry_timestamp_seconds{cert=\"listen\"}");
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

	stats_total(src->shm, src->upstream, src->upstreams, &w.sum);
	emit_daemon(&w);
	emit_reloads(&w);
	emit_certificate(&w);
	emit_requests(&w);
	emit_in_flight(&w);
	emit_times(&w);
	emit_upstreams(&w);
	emit_rows(&w);
	emit(&w, SERIES_COUNTER, "User and system time of all processes", (double)w.sum.cpu_us / 1e6,
	     "process_cpu_seconds_total");
	emit(&w, SERIES_GAUGE, "When the master was started", (double)stats_get(&src->shm->started_wall_ms) / 1000,
	     "process_start_time_seconds");
	return w.r;
}
