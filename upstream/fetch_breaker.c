/* A fetch and the circuit breaker of its proxy.  Worker and keeper. */
#include "fetch_impl.h"

/* One that never opens is not the process' only one: the doctor's stands beside the probes'. */
static void count_open(const struct pool *p)
{
	if (p->breaker.limit)
		stats_set(&p->stats->breaker_open, breaker_is_open(&p->breaker));
}

/* Without a proxy a registry's other hosts are other machines: they say nothing of it. */
static bool is_judged(const struct fetch *f)
{
	return !f->pool->proxy->direct || !f->rq.at;
}

bool fetch_may_dial(struct fetch *f)
{
	struct pool *p = f->pool;
	struct fetch_error e;

	if (!is_judged(f))
		return true;
	switch (breaker_ask(&p->breaker, loop_now(f->upstream->loop))) {
	case BREAKER_GO: return true;
	case BREAKER_TRY: f->trying = true; return true;
	case BREAKER_OPEN: break;
	}
	fetch_error_set(&e, p->broken.id, "%.60s, time after time", p->broken.detail);
	fetch_attempt_failed(f, RETRY_CAUSE_FINAL, &e);
	return false;
}

void fetch_not_dialled(struct fetch *f, const struct fetch_error *e)
{
	struct pool *p = f->pool;

	if (!is_judged(f))
		return;
	f->trying = false;
	p->broken.id = e->id;
	(void)sv_copy(p->broken.detail, sizeof(p->broken.detail), sv_str(e->detail));
	if (breaker_failed(&p->breaker, loop_now(f->upstream->loop), (unsigned)upstream_random(f->upstream, 1000))) {
		stats_add(&p->stats->breaker_opens, 1);
		log_fields(LOG_LEVEL_WARNING, FIELDS(LF_STR("upstream", p->proxy->name)),
		           "%u connections in a row failed (%s): requests fail at once until one succeeds",
		           p->proxy->breaker_failures, e->detail);
	}
	count_open(p);
}

void fetch_dialled(struct fetch *f)
{
	if (!is_judged(f))
		return;
	f->trying = false;
	if (breaker_good(&f->pool->breaker))
		log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_STR("upstream", f->pool->proxy->name)), "connections succeed again");
	count_open(f->pool);
}

void fetch_stop_trying(struct fetch *f)
{
	if (f->trying)
		breaker_untried(&f->pool->breaker);
	f->trying = false;
}
