/* A walk along every hop of a pull: its steps, its deadlines, its end.  Keeper. */
#include "doctor_walk_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "doctor_snippets.h"
#include "log.h"

static enum doctor_go go_on(struct doctor_walk *w)
{
	(void)w;
	return DOCTOR_GO_ON;
}

static const struct step_row {
	uint64_t deadline_ms;
	const char *waits_for;
} rows[DOCTOR_STEPS] = {
#define S(step, name, deadline_ms, why) [DOCTOR_##step] = { deadline_ms, why },
#include "doctor_steps.def"
#undef S
};

/* PROXY, TUNNEL and MAPPING come out of REGISTRY's exchange, and REDIRECT out of BLOB's. */
static const struct {
	doctor_step_fn *begin, *judge;
} steps[DOCTOR_STEPS] = {
	[DOCTOR_IMAGE] = { doctor_image_begin, NULL },
	[DOCTOR_SECRET] = { doctor_secret_begin, NULL },
	[DOCTOR_NAME] = { doctor_name_begin, doctor_name_judge },
	[DOCTOR_PROXY] = { go_on, NULL },
	[DOCTOR_TUNNEL] = { go_on, NULL },
	[DOCTOR_MAPPING] = { go_on, NULL },
	[DOCTOR_REGISTRY] = { doctor_ping_begin, doctor_ping_judge },
	[DOCTOR_CHALLENGE] = { doctor_challenge_begin, NULL },
	[DOCTOR_TOKEN] = { doctor_token_begin, doctor_token_judge },
	[DOCTOR_MANIFEST] = { doctor_manifest_begin, doctor_manifest_judge },
	[DOCTOR_BLOB] = { doctor_blob_begin, doctor_blob_judge },
	[DOCTOR_REDIRECT] = { go_on, NULL },
};

/* --- findings --------------------------------------------------------------------------------------------------- */

static void tell(struct doctor_walk *w, const struct doctor_finding *f)
{
	json_t *line = doctor_report_add(&w->report, f);

	if (f->state == DOCTOR_BROKEN)
		doctor_snippets_add(&w->report, f, w->h->conf, w->order.image[0] && w->image.host[0] ? &w->image : NULL);
	w->fn(w->owner, line, false);
}

void doctor_found(struct doctor_walk *w, enum doctor_step step, enum doctor_state state, uint64_t ms, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tell(w, &(struct doctor_finding){ .step = step, .state = state, .ms = ms, .text = text });
}

void doctor_broken(struct doctor_walk *w, enum doctor_step step, enum error_id id, const char *text, const char *host, const char *other)
{
	tell(w, &(struct doctor_finding){ .step = step, .state = DOCTOR_BROKEN, .ms = doctor_step_ms(w), .error = id, .text = text,
	                                  .host = host, .other = other });
}

void doctor_broken_row(struct doctor_walk *w, enum doctor_step step, enum error_id id, const char *vhost, const char *path,
                       const char *detail)
{
	char text[ERROR_TEXT_MAX], proxy[URL_AUTHORITY_MAX] = "";
	const struct conf_registry *g = w->registry;

	if (g)
		url_authority(&g->proxy->address, proxy);
	const struct error_context c = { .proxy = sv_str(proxy), .vhost = sv_str(vhost), .location = sv_str(g ? g->location_id : NULL),
		                         .path = sv_str(path), .detail = sv_str(detail) };
	error_render(id, &c, text);
	doctor_broken(w, step, id, text, detail, NULL);
}

uint64_t doctor_step_ms(const struct doctor_walk *w)
{
	return loop_now(w->loop) - w->entered_ms;
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static void finish(struct doctor_walk *w)
{
	loop_timer_stop(&w->deadline);
	loop_timer_stop(&w->total);
	lookup_stop(&w->lookup);
	doctor_exchange_stop(&w->exchange);
	if (w->exchange.marks[0])
		doctor_report_warn(&w->report,
		                   "answers bear the marks of something in between that speaks HTTP (%s): a sidecar or gateway, whose limits "
		                   "and time-outs hold for pulls, and whose pool may mix up connections; where it is on the cluster's side, let "
		                   "it treat the connectivity proxy's port as TCP (appProtocol: tcp)", w->exchange.marks);
	if (w->order.image[0] && w->image.by_ns)
		doctor_snippets_hosts(&w->report, w->h->conf, &w->image);
	w->over = true;
	w->fn(w->owner, doctor_report_result(&w->report, w->order.image), true);
}

static void on_end(struct deferred *d)
{
	struct doctor_walk *w = container_of(d, struct doctor_walk, end);

	free(w);
}

static void forget_secrets(struct doctor_walk *w)
{
	doctor_order_done(&w->order);
	doctor_secret_done(&w->secret);
	if (w->bearer) {
		explicit_bzero(w->bearer, strlen(w->bearer));
		free(TAKE(w->bearer));
	}
}

void doctor_walk_free(struct doctor_walk *w)
{
	if (!w)
		return;
	loop_timer_stop(&w->deadline);
	loop_timer_stop(&w->total);
	loop_defer_cancel(&w->start);
	lookup_stop(&w->lookup);
	doctor_exchange_stop(&w->exchange);
	forget_secrets(w);
	doctor_report_done(&w->report);
	loop_defer(w->loop, &w->end, on_end);
}

/* --- from step to step ------------------------------------------------------------------------------------------ */

static void late(struct doctor_walk *w, uint64_t ms)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu s", (unsigned long long)ms / 1000);
	doctor_broken_row(w, w->step, ERROR_DOCTOR_TIME, NULL, NULL, text);
}

static void go(struct doctor_walk *w, enum doctor_go next);

static void on_deadline(struct timer *t)
{
	struct doctor_walk *w = container_of(t, struct doctor_walk, deadline);

	lookup_stop(&w->lookup);
	doctor_exchange_stop(&w->exchange);
	late(w, rows[w->step].deadline_ms);
	go(w, DOCTOR_GO_NEXT);
}

static void on_total(struct timer *t)
{
	struct doctor_walk *w = container_of(t, struct doctor_walk, total);

	late(w, DOCTOR_WALK_MS);
	finish(w);
}

void doctor_enter(struct doctor_walk *w, enum doctor_step step)
{
	w->step = step;
	w->entered_ms = loop_now(w->loop);
	if (rows[step].deadline_ms == 0) {
		loop_timer_stop(&w->deadline);
		return;
	}
	log_fields(LOG_LEVEL_DEBUG, FIELDS(LF_STR("request_id", w->id)), "doctor: waiting for %s", rows[step].waits_for);
	loop_timer_in(w->loop, &w->deadline, rows[step].deadline_ms, on_deadline);
}

/* True: there is another one to visit. */
static bool next_registry(struct doctor_walk *w)
{
	const struct conf *c = w->h->conf;

	if (w->order.image[0] || w->turn == c->registries)
		return false;
	w->registry = c->registry[w->turn++];
	w->open = false;
	doctor_report_visit(&w->report, w->registry);
	doctor_enter(w, DOCTOR_NAME);
	return true;
}

/* What a step said moves on until something has to be waited for. */
static void go(struct doctor_walk *w, enum doctor_go next)
{
	for (; next != DOCTOR_GO_WAIT; next = steps[w->step].begin(w)) {
		if (next == DOCTOR_GO_ON && w->step + 1 < DOCTOR_STEPS) {
			doctor_enter(w, w->step + 1);
		} else if (next != DOCTOR_GO_AGAIN && !next_registry(w)) {
			finish(w);
			return;
		}
	}
}

static void on_answer(struct doctor_exchange *x)
{
	struct doctor_walk *w = container_of(x, struct doctor_walk, exchange);

	go(w, steps[w->step].judge(w));
}

static void on_addresses(struct lookup *l)
{
	struct doctor_walk *w = container_of(l, struct doctor_walk, lookup);

	go(w, steps[w->step].judge(w));
}

void doctor_ask(struct doctor_walk *w, enum stats_route route, const struct conf_host *at, bool https, const char *authorization,
                const struct http_field *more, size_t cap, bool enough)
{
	struct http_field field[3] = { { SV("User-Agent"), SV("regrelay/" PACKAGE_VERSION " (doctor)") } };
	unsigned n = 1;

	if (more)
		field[n++] = *more;
	if (authorization)
		field[n++] = (struct http_field){ SV("Authorization"), sv_str(authorization) };
	const bool of_repository = route == ROUTE_MANIFEST || route == ROUTE_BLOB;
	const struct fetch_request rq = { .registry = w->registry, .at = at, .https = https, .route = route, .method = HTTP_GET,
		                          .path = sv_str(w->path), .field = field, .fields = n, .id = sv_str(w->id),
		                          .login = route != ROUTE_TOKEN,
		                          .repository = of_repository ? w->route.repository : SV_NONE };
	doctor_exchange_start(&w->exchange, &rq, cap, enough);
}

/* --- the beginning ---------------------------------------------------------------------------------------------- */

static void on_start(struct deferred *d)
{
	struct doctor_walk *w = container_of(d, struct doctor_walk, start);

	if (w->order.image[0]) {
		doctor_enter(w, DOCTOR_IMAGE);
		go(w, DOCTOR_GO_AGAIN);
	} else {
		go(w, DOCTOR_GO_NEXT);
	}
}

struct doctor_walk *doctor_walk_new(struct loop *l, const struct heritage *h, struct upstream *u, struct doctor_order *o,
                                    doctor_walk_fn *fn, void *owner)
{
	static unsigned number;
	struct doctor_walk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = l;
	w->h = h;
	w->upstream = u;
	w->fn = fn;
	w->owner = owner;
	w->order = *o;
	*o = (struct doctor_order){ .auths = NULL };
	(void)snprintf(w->id, sizeof(w->id), "doctor-%u", ++number);
	deferred_init(&w->start);
	deferred_init(&w->end);
	lookup_init(&w->lookup, l, NULL, on_addresses);
	doctor_exchange_init(&w->exchange, l, u, on_answer);
	doctor_report_init(&w->report);
	loop_timer_in(l, &w->total, DOCTOR_WALK_MS, on_total);
	loop_defer(l, &w->start, on_start);
	return w;
}
