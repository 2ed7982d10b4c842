/* Probes of upstreams that nobody uses.  Keeper.
 *
 * A proxy with several registries is asked for one of them in each round, in turn: every mapping and location id comes
 * to its turn, and the tunnel carries one small exchange per interval. */
#include "probe.h"

#include <errno.h>
#include <stdio.h>

#include "conf.h"
#include "config.h"
#include "fetch.h"
#include "log.h"
#include "stats_totals.h"
#include "upstream.h"

#define BODY_MAX (64u * 1024) /* of an answer: beyond it the connection is not worth keeping */
#define BODY_MS  5000         /* nor if it takes longer than that behind the head */

enum outcome { OUTCOME_NONE, OUTCOME_GOOD, OUTCOME_BAD };

struct probe {
	struct probes *all;
	const struct conf_proxy *proxy;
	struct timer due;      /* the next one; while a body comes, the end of waiting for it */
	struct source *source; /* NULL = none runs */
	bool answered;         /* its head has come */
	unsigned turn;         /* index of the registry asked last */
	char id[32];           /* of the exchange */
};

struct probes {
	struct loop *loop;
	struct heritage h; /* the keeper's, but who is woken is the keeper itself: it finds names and tokens */
	struct upstream *upstream;
	bool started;
	uint64_t asked; /* probes so far */
	enum outcome outcome[CONF_REGISTRIES];
	unsigned count;
	struct probe probe[CONF_PROXIES + CONF_REGISTRIES];
};

static void on_due(struct timer *t);

/* --- the answer ---------------------------------------------------------------------------------------------- */

static ssize_t put_nowhere(struct sink *s, struct strview bytes)
{
	(void)s;
	return (ssize_t)bytes.n;
}

static void end(struct probe *p)
{
	source_free(TAKE(p->source));
	loop_timer_in(p->all->loop, &p->due, p->proxy->probe_interval, on_due);
}

/* One line when a registry's state changes, none while it stays. */
static void settle(struct probe *p, const struct source_failure *failure)
{
	const struct conf_registry *r = p->all->h.conf->registry[p->turn];
	enum outcome *was = &p->all->outcome[p->turn], now = failure ? OUTCOME_BAD : OUTCOME_GOOD;

	if (failure && *was != now)
		log_fields(LOG_LEVEL_WARNING,
		           FIELDS(LF_EVENT(UPSTREAM_DOWN), LF_STR("upstream", p->proxy->name),
		                  LF_STR("registry", r->name), LF_STR("error", error_row(failure->id)->name)),
		           "probe: %s; pulls would fail, asking again", failure->text);
	else if (!failure && *was == OUTCOME_BAD)
		log_fields(LOG_LEVEL_NOTICE,
		           FIELDS(LF_EVENT(UPSTREAM_UP), LF_STR("upstream", p->proxy->name), LF_STR("registry", r->name)),
		           "probe: the registry answers again");
	*was = now;
}

/* Reads the answer to its end, so that its connection can be kept; true when there is nothing more to wait for. */
static bool body_done(struct source *s)
{
	struct sink nowhere = { .put = put_nowhere };
	size_t moved;
	int error;

	while (s->moved < BODY_MAX)
		switch (source_move(s, &nowhere, BODY_MAX, &moved, &error)) {
		case MOVE_SOME: break;
		case MOVE_WAIT_SOURCE: return false;
		default: return true;
		}
	return true;
}

static void on_late(struct timer *t)
{
	end(container_of(t, struct probe, due));
}

static void on_source(struct source *s)
{
	struct probe *p = s->owner;

	switch (s->state) {
	case SOURCE_WAITING: return;
	case SOURCE_FAILED:
		settle(p, &s->failure);
		break;
	case SOURCE_HEAD:
		settle(p, NULL);
		if (!p->answered)
			loop_timer_in(p->all->loop, &p->due, BODY_MS, on_late);
		p->answered = true;
		if (!body_done(s))
			return;
		break;
	}
	end(p);
}

/* --- the question --------------------------------------------------------------------------------------------- */

/* The next registry behind this proxy; probes_new made sure that there is one. */
static const struct conf_registry *next_registry(struct probe *p)
{
	const struct conf *c = p->all->h.conf;

	do
		p->turn = (p->turn + 1) % c->registries;
	while (c->registry[p->turn]->proxy != p->proxy);
	return c->registry[p->turn];
}

static void ask(struct probe *p)
{
	const struct http_field agent = { SV("User-Agent"), SV("regrelay/" PACKAGE_VERSION " (probe)") };
	struct err e;

	(void)snprintf(p->id, sizeof(p->id), "probe-%llu", (unsigned long long)++p->all->asked);
	const struct fetch_request rq = {
		.registry = next_registry(p),
		.route = ROUTE_PING,
		.method = HTTP_GET,
		.path = SV("/v2/"),
		.field = &agent,
		.fields = 1,
		.id = sv_str(p->id),
		.urgent = true,
	};
	p->answered = false;
	p->source = fetch_start(p->all->upstream, &rq, on_source, &e);
	if (p->source)
		p->source->owner = p;
	else
		end(p);
}

static void on_due(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, due);
	const struct stats_seen seen = stats_upstream_seen(p->all->h.shm, p->proxy->index);
	const uint64_t last_ms = seen.success_ms > seen.error_ms ? seen.success_ms : seen.error_ms;
	const uint64_t next_ms = last_ms + p->proxy->probe_interval, now_ms = loop_now(p->all->loop);

	/* What others wrote is a claim: a time to come must not put the probe off for ever. */
	if (last_ms == 0 || last_ms > now_ms || next_ms <= now_ms)
		ask(p);
	else
		loop_timer_at(p->all->loop, t, next_ms, on_due);
}

/* --- all of them ---------------------------------------------------------------------------------------------- */

static bool has_registry(const struct conf *c, const struct conf_proxy *proxy)
{
	for (unsigned i = 0; i < c->registries; i++)
		if (c->registry[i]->proxy == proxy)
			return true;
	return false;
}

struct probes *probes_new(struct loop *l, const struct heritage *h, struct err *reterr)
{
	const struct conf *c = h->conf;
	struct probes *all = calloc(1, sizeof(*all));

	if (!all) {
		(void)err_sys(reterr, -ENOMEM, "cannot set up probes");
		return NULL;
	}
	all->loop = l;
	all->h = *h;
	all->h.wake_others[0] = h->wake_fd;
	all->h.wakes = 1;
	all->upstream = upstream_new(l, &all->h, reterr);
	if (!all->upstream) {
		free(all);
		return NULL;
	}
	for (unsigned i = 0; i < c->proxies; i++)
		if (c->proxy[i]->probe_interval > 0 && has_registry(c, c->proxy[i]))
			all->probe[all->count++] = (struct probe){ .all = all, .proxy = c->proxy[i],
				                                   .turn = c->registries - 1 };
	return all;
}

void probes_free(struct probes *p)
{
	if (!p)
		return;
	upstream_free(p->upstream);
	free(p);
}

void probes_start(struct probes *all)
{
	if (all->started)
		return;
	all->started = true;
	for (unsigned i = 0; i < all->count; i++)
		loop_timer_in(all->loop, &all->probe[i].due, 0, on_due);
}

void probes_stop(struct probes *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		loop_timer_stop(&all->probe[i].due);
		source_free(TAKE(all->probe[i].source));
	}
	upstream_drain(all->upstream);
	all->started = false;
}

void probes_news(struct probes *all)
{
	upstream_news(all->upstream);
}
