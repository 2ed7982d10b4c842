/* Whether and when to try again before the head.  Worker and keeper. */
#include "retry.h"

static uint64_t pause_ms(unsigned failed, unsigned jitter)
{
	uint64_t ms = RETRY_PAUSE_MS;

	while (--failed)
		ms *= RETRY_GROWTH;
	return ms + ms * jitter / 2000;
}

enum retry_when retry_decide(struct retry *r, enum retry_cause cause, uint64_t left_ms, unsigned jitter,
                             uint64_t *ret_pause_ms)
{
	if (left_ms == 0 || cause == RETRY_CAUSE_FINAL)
		return RETRY_NOT;
	if (cause == RETRY_CAUSE_STALE && r->stale < RETRY_FRESH_MAX) {
		r->stale++;
		return RETRY_AT_ONCE;
	}
	if (++r->failed >= RETRY_ATTEMPTS)
		return RETRY_NOT;
	uint64_t ms = pause_ms(r->failed, jitter);
	if (ms >= left_ms)
		return RETRY_NOT;
	*ret_pause_ms = ms;
	return RETRY_LATER;
}

uint64_t retry_resume_pause_ms(unsigned attempt, unsigned jitter)
{
	uint64_t ms = RESUME_PAUSE_MS;

	while (--attempt && ms < RESUME_PAUSE_MAX_MS)
		ms *= 2;
	ms += ms * jitter / 2000;
	return ms < RESUME_PAUSE_MAX_MS ? ms : RESUME_PAUSE_MAX_MS;
}
