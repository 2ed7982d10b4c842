/* The circuit breaker of a proxy.  Worker and keeper. */
#include "breaker.h"

void breaker_init(struct breaker *b, unsigned limit)
{
	*b = (struct breaker){ .limit = limit };
}

enum breaker_answer breaker_ask(struct breaker *b, uint64_t now_ms)
{
	if (!breaker_is_open(b))
		return BREAKER_GO;
	if (b->tried || now_ms < b->until_ms)
		return BREAKER_OPEN;
	b->tried = true;
	return BREAKER_TRY;
}

static uint64_t longer(uint64_t ms)
{
	if (ms == 0)
		return BREAKER_PAUSE_MIN_MS;
	return ms < BREAKER_PAUSE_MAX_MS / 2 ? ms * 2 : BREAKER_PAUSE_MAX_MS;
}

bool breaker_failed(struct breaker *b, uint64_t now_ms, unsigned jitter)
{
	const bool was_open = breaker_is_open(b);

	if (b->limit == 0)
		return false;
	if (b->failures < b->limit)
		b->failures++;
	if (b->failures < b->limit || (was_open && !b->tried)) /* one that began before it opened says nothing new */
		return false;
	b->tried = false;
	b->pause_ms = longer(b->pause_ms);
	b->until_ms = now_ms + b->pause_ms - b->pause_ms * jitter / 4000;
	return !was_open;
}

bool breaker_good(struct breaker *b)
{
	const bool was_open = breaker_is_open(b);

	breaker_init(b, b->limit);
	return was_open;
}

void breaker_untried(struct breaker *b)
{
	b->tried = false;
}
