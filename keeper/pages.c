/* What the admin endpoint answers: probes and metrics.  Keeper. */
#include "pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "conf.h"
#include "config.h"
#include "errors.h"
#include "stats_series.h"
#include "stats_totals.h"

/* A body under construction. */
struct writer {
	struct series_visitor visitor;
	FILE *f;
	char *body;
	size_t n;
};

static int writer_open(struct writer *w)
{
	*w = (struct writer){ 0 };
	w->f = open_memstream(&w->body, &w->n);
	return w->f ? 0 : -ENOMEM;
}

static int writer_close(struct writer *w, unsigned status, const char *reason, const char *type, struct page *ret)
{
	if (fclose(w->f) != 0 || w->n > PAGE_MAX) {
		free(w->body);
		return -ENOMEM;
	}
	*ret = (struct page){ .status = status, .reason = reason, .type = type, .body = w->body, .n = w->n };
	return 0;
}

int page_plain(unsigned status, const char *reason, const char *text, struct page *ret)
{
	struct writer w;

	if (writer_open(&w) < 0)
		return -ENOMEM;
	(void)fprintf(w.f, "%s\n", text);
	return writer_close(&w, status, reason, "text/plain; charset=utf-8", ret);
}

/* --- probes ------------------------------------------------------------------------------------------------ */

static int page_livez(const struct heritage *h, struct strview query, struct page *ret)
{
	(void)h;
	(void)query;
	return page_plain(200, "OK", "alive", ret); /* whoever answers this turns its loop */
}

static bool query_has(struct strview query, struct strview wanted)
{
	struct strview part;

	while (sv_cut(&query, '&', &part))
		if (sv_eq(part, wanted))
			return true;
	return false;
}

/* Writes why we are not ready into text; "" = ready. */
static void not_ready(const struct heritage *h, char *text, size_t cap)
{
	const uint64_t ready = stats_get(&h->shm->workers_ready), wanted = stats_get(&h->shm->workers_wanted);

	text[0] = '\0';
	if (atomic_load_explicit(&h->shm->draining, memory_order_relaxed))
		(void)snprintf(text, cap, "draining");
	else if (atomic_load_explicit(&h->shm->serving_generation, memory_order_relaxed) == 0) /* or ours, or its successor */
		(void)snprintf(text, cap, "no configuration serves");
	else if (wanted == 0 || ready != wanted)
		(void)snprintf(text, cap, "%" PRIu64 " of %" PRIu64 " workers are ready", ready, wanted);
}

/* The same for the way to the registries: what was seen last, no request is made for it. */
static void upstream_down(const struct heritage *h, char *text, size_t cap)
{
	for (unsigned i = 0; i < h->conf->proxies; i++) {
		const struct conf_proxy *p = h->conf->proxy[i];
		const struct stats_seen seen = stats_upstream_seen(h->shm, p->index);
		if (stats_seen_down(&seen)) {
			(void)snprintf(text, cap, "upstream %s: %s", p->name, error_row(seen.error)->name);
			return;
		}
	}
}

static int page_readyz(const struct heritage *h, struct strview query, struct page *ret)
{
	char text[128];

	not_ready(h, text, sizeof(text));
	if (!text[0] && query_has(query, SV("upstream=1")))
		upstream_down(h, text, sizeof(text));
	if (text[0])
		return page_plain(503, "Service Unavailable", text, ret);
	return page_plain(200, "OK", "ready", ret);
}

/* --- metrics ------------------------------------------------------------------------------------------------ */

static int write_series(struct series_visitor *v, const struct series *s)
{
	struct writer *w = container_of(v, struct writer, visitor);

	static const char *const types[] = { [SERIES_COUNTER] = "counter", [SERIES_GAUGE] = "gauge",
		                             [SERIES_HISTOGRAM] = "histogram" };

	if (s->first)
		(void)fprintf(w->f, "# HELP %s %s\n# TYPE %s %s\n", s->family, s->help, s->family, types[s->kind]);
	const bool whole = s->value < 9e18 && s->value == (double)(int64_t)s->value;
	(void)fprintf(w->f, whole ? "%s %.0f\n" : "%s %.6f\n", s->name, s->value);
	return 0;
}

static int page_metrics(const struct heritage *h, struct strview query, struct page *ret)
{
	const char *upstream[STATS_UPSTREAMS] = { NULL };
	const struct series_source src = {
		.shm = h->shm, .upstream = upstream, .upstreams = STATS_UPSTREAMS, .version = PACKAGE_VERSION
	};
	struct writer w;

	(void)query;
	for (unsigned i = 0; i < h->conf->proxies; i++)
		upstream[h->conf->proxy[i]->index] = h->conf->proxy[i]->name;
	if (writer_open(&w) < 0)
		return -ENOMEM;
	w.visitor.visit = write_series;
	(void)series_each(&src, &w.visitor);
	return writer_close(&w, 200, "OK", "text/plain; version=0.0.4; charset=utf-8", ret);
}

/* --- routes -------------------------------------------------------------------------------------------------- */

static const struct {
	const char *path;
	bool health; /* conf->admin.expose: health or metrics */
	int (*make)(const struct heritage *h, struct strview query, struct page *ret);
} routes[] = {
	{ "/livez", true, page_livez },
	{ "/readyz", true, page_readyz },
	{ "/metrics", false, page_metrics },
};

/* A server takes the absolute form, too (RFC 9112 3.2.2); whose name it bears does not matter here. */
static struct strview origin_form(struct strview target)
{
	struct strview rest = target, before = SV_NONE;

	if (!sv_starts(target, SV("http://")))
		return target;
	for (int slashes = 0; slashes < 3; slashes++)
		if (!sv_cut(&rest, '/', &before) || !rest.p)
			return SV_NONE;
	if (sv_contains(before, SV("?"))) /* that slash is of the query: there is no path */
		return SV_NONE;
	return sv_make(rest.p - 1, rest.n + 1);
}

int page_make(const struct heritage *h, struct strview target, struct page *ret)
{
	struct strview path = SV_NONE;

	target = origin_form(target);
	(void)sv_cut(&target, '?', &path);
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (sv_eq(path, sv_str(routes[i].path))
		    && (routes[i].health ? h->conf->admin.expose_health : h->conf->admin.expose_metrics))
			return routes[i].make(h, target, ret);
	return page_plain(404, "Not Found", "nothing here", ret);
}
