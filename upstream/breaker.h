/* The circuit breaker of a proxy: when connections to it failed many times in a row, nobody tries any more, and clients are told
 * at once what is wrong instead of after their patience.  Now and then a single exchange may try, and the first that gets a
 * connection ends it.  One process; no clock in here. */
#ifndef BREAKER_H
#define BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_PAUSE_MIN_MS 500   /* until somebody may try, the first time */
#define BREAKER_PAUSE_MAX_MS 10000 /* and at most; jitter takes up to a quarter off */

struct breaker {
	unsigned limit;       /* failures in a row that open it; 0 = never */
	unsigned failures;    /* in a row */
	uint64_t pause_ms;    /* that it is open for now; 0 = it is closed */
	uint64_t until_ms;    /* nobody tries before */
	bool tried;           /* somebody is at it */
};

enum breaker_answer {
	BREAKER_GO,  /* it is closed */
	BREAKER_TRY, /* it is open, and this one may try: it must say how that went, or breaker_untried */
	BREAKER_OPEN
};

/* limit: [proxy] breaker_failures. */
void breaker_init(struct breaker *b, unsigned limit);
enum breaker_answer breaker_ask(struct breaker *b, uint64_t now_ms);
/* A connection could not be opened; jitter: below 1000.  True when this opened it: it was closed before. */
bool breaker_failed(struct breaker *b, uint64_t now_ms, unsigned jitter);
/* One was opened.  True when this closed it. */
bool breaker_good(struct breaker *b);
/* Who may try does not any more. */
void breaker_untried(struct breaker *b);

static inline bool breaker_is_open(const struct breaker *b)
{
	return b->pause_ms > 0;
}

#endif
