/* Tokens in shared memory.  Master, worker, keeper. */
#include "tokens.h"

#include <errno.h>
#include <string.h>

bool token_is_ok(struct strview s)
{
	size_t i = 0;

	while (i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'A' && s.p[i] <= 'Z')
	                   || (s.p[i] >= 'a' && s.p[i] <= 'z') || memchr("-._~+/", s.p[i], 6)))
		i++;
	if (i == 0)
		return false;
	while (i < s.n && s.p[i] == '=')
		i++;
	return i == s.n && s.n <= TOKEN_MAX;
}

void token_publish(struct token_entry *e, const struct token *t)
{
	/* A keeper that was killed in the middle left an odd number; starting from the next odd one repairs it. */
	const uint32_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed) | 1u;

	atomic_store_explicit(&e->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->token = *t;
	atomic_store_explicit(&e->seq, seq + 1, memory_order_release);
}

int token_read(const struct token_entry *e, struct token *ret)
{
	for (int tries = 0; tries < 100; tries++) {
		const uint32_t before = token_seq(e);
		if (before & 1)
			continue;
		memcpy(ret, &e->token, sizeof(*ret));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&e->seq, memory_order_relaxed) != before)
			continue;
		if (ret->n > TOKEN_MAX)
			ret->n = TOKEN_MAX;
		ret->error[sizeof(ret->error) - 1] = '\0';
		return 0;
	}
	return -EAGAIN;
}

uint32_t token_last_serial(const struct token_entry *e)
{
	const uint32_t torn = token_seq(e) & 1u; /* the one under way may be anywhere between the last and the next */

	return *(const volatile uint32_t *)&e->token.serial + torn;
}

void token_reset(struct token_entry *e, unsigned count)
{
	static const struct token none;

	for (unsigned i = 0; i < count; i++)
		if (token_seq(&e[i]) != 0) { /* others were never touched, and shall not cost memory */
			atomic_store_explicit(&e[i].refused, 0, memory_order_relaxed);
			token_publish(&e[i], &none);
		}
}
