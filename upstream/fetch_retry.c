/* Attempts of a fetch that failed before the head: the next one, or the end.  Worker and keeper. */
#include "fetch_impl.h"

#include <stdio.h>

void fetch_attempt_failed(struct fetch *f, enum retry_cause cause, const struct fetch_error *e)
{
	struct loop *l = f->upstream->loop;
	uint64_t now = loop_now(l), pause = 0;
	uint64_t left = f->budget_at_ms > now ? f->budget_at_ms - now : 0;

	if (fetch_head_is_out(f)) {
		fetch_resume_failed(f, e, cause != RETRY_CAUSE_FINAL || fetch_resume_passes(e->id));
		return;
	}
	fetch_drop_conn(f, true);
	f->last = *e;
	unsigned jitter = (unsigned)upstream_random(f->upstream, 1000);
	enum retry_when when = retry_decide(&f->retry, cause, left, jitter, &pause);
	if (when == RETRY_NOT) {
		fetch_fail(f, &f->last);
		return;
	}
	if (when == RETRY_AT_ONCE) {
		f->waiter.fresh = true;
	} else {
		f->probing = false; /* begins anew: the answer may be another one by then */
		fetch_begin_anew(f);
	}
	/* Also at once means by the timer: not from within the failure, nor from within fetch_start. */
	f->again_at_ms = now + pause;
	fetch_set(f, FETCH_RETRY);
}

void fetch_duration_text(uint64_t ms, char *dst, size_t cap)
{
	if (ms < 1000)
		(void)snprintf(dst, cap, "%llu ms", (unsigned long long)ms);
	else if (ms % 1000 == 0)
		(void)snprintf(dst, cap, "%llu s", (unsigned long long)ms / 1000);
	else
		(void)snprintf(dst, cap, "%.1f s", (double)ms / 1000);
}

void fetch_expired(struct fetch *f)
{
	struct fetch_error e = f->last;
	char budget[32];

	fetch_duration_text(f->budget_at_ms - f->budget_from_ms, budget, sizeof(budget));
	if (f->state == FETCH_QUEUE)
		fetch_error_set(&e, ERROR_OVERLOADED, "no connection became free within %s", budget);
	else if (f->state == FETCH_TOKEN)
		fetch_token_late(f, &e);
	else if (f->state == FETCH_LOGIN)
		fetch_login_late(f, &e);
	else if (f->state == FETCH_NAME)
		fetch_error_set(&e, f->pool->proxy->direct ? ERROR_REGISTRY_NAME : ERROR_PROXY_NAME, "no answer about the name within %s", budget);
	else if (f->state == FETCH_SOCKS || f->state == FETCH_CONNECT || f->state == FETCH_TLS)
		fetch_error_set(&e, ERROR_UPSTREAM_TIMEOUT, "%s (waiting for %s)", budget, f->source.waits_for);
	else if (e.id == ERROR_NONE) /* otherwise the last attempt knew more than that this one is slow */
		fetch_error_set(&e, ERROR_UPSTREAM_TIMEOUT, "%s", budget);
	fetch_fail(f, &e);
}
