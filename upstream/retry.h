/* Whether and when to try again before the head: a pull that can succeed a moment later shall succeed, and a
 * client shall not wait long for an error that stays. */
#ifndef RETRY_H
#define RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* Attempts in all that end in a failure which may pass.  With the pauses below an error that comes at once is
 * answered in well under a second: a kubelet tries again by itself, and keeps the last text it was told. */
#define RETRY_ATTEMPTS  3
#define RETRY_PAUSE_MS  100 /* before the second attempt; SAP asks for no less */
#define RETRY_GROWTH    3   /* each further pause is so many times as long; jitter adds up to half */
#define RETRY_FRESH_MAX 3   /* of the kind that costs no pause */

/* Pauses before the attempts to go on with a body that broke off: the first so long, each further one twice as long up to
 * the longest; jitter adds up to half. */
#define RESUME_PAUSE_MS     100
#define RESUME_PAUSE_MAX_MS 5000

enum retry_cause {
	RETRY_CAUSE_FINAL, /* stays */
	RETRY_CAUSE_STALE, /* a pooled connection was dead or bound to something else */
	RETRY_CAUSE_PASSING
};

struct retry {
	unsigned failed; /* attempts that failed in passing */
	unsigned stale;
};

enum retry_when { RETRY_NOT, RETRY_AT_ONCE, RETRY_LATER };

/* Counts the failure and decides.  left_ms: of the budget; jitter: below 1000, the place within the jitter.
 * RETRY_LATER: *ret_pause_ms. */
enum retry_when retry_decide(struct retry *r, enum retry_cause cause, uint64_t left_ms, unsigned jitter,
                             uint64_t *ret_pause_ms);

/* The pause before attempt number `attempt` (from 1) to resume a body, at most RESUME_PAUSE_MAX_MS with its jitter. */
uint64_t retry_resume_pause_ms(unsigned attempt, unsigned jitter);

#endif
