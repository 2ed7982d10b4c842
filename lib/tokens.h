/* The token for a connectivity proxy, from the keeper that fetches it to the processes that show it: one entry in shared
 * memory per proxy and generation.  The keeper writes it, before its birth the master; others tell it which one was refused. */
#ifndef TOKENS_H
#define TOKENS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "strview.h"

/* With its header's name it must fit a line of 8192 bytes, which is what the connectivity proxy takes. */
#define TOKEN_MAX   8128
#define TOKEN_NEVER UINT64_MAX

enum token_state {
	TOKEN_PENDING, /* none yet, or none any more; the keeper is at it */
	TOKEN_GOOD,
	TOKEN_FAILED   /* none, and waiting is no use: error says why */
};

struct token {
	uint32_t state;    /* enum token_state */
	uint32_t serial;   /* another one for each token; 0 = there was none */
	uint64_t until_ms; /* CLOCK_MONOTONIC: valid so long; TOKEN_NEVER = nobody knows */
	uint32_t n;        /* bytes, 0 unless GOOD */
	char error[128];   /* of the last attempt to get one; "" = it was good.  No secrets */
	char bytes[TOKEN_MAX];
};

struct token_entry {
	_Atomic uint32_t seq;     /* seqlock: odd while the keeper writes */
	_Atomic uint32_t refused; /* the serial that the proxy said 407 to; written by whoever saw it */
	struct token token;
};

/* What may be in a token: RFC 6750's b64token, 1 to TOKEN_MAX characters. */
bool token_is_ok(struct strview s);

/* The writer's side: replaces the entry.  One at a time. */
void token_publish(struct token_entry *e, const struct token *t);
/* A reader's side: a consistent copy with n clamped and error terminated.  0; -EAGAIN: the writer is busy or died in the
 * middle: take it for PENDING. */
MUST_CHECK int token_read(const struct token_entry *e, struct token *ret);
/* The highest serial that readers may know of; also of an entry whose writer died in the middle. */
uint32_t token_last_serial(const struct token_entry *e);
/* What changes with every token_publish. */
static inline uint32_t token_seq(const struct token_entry *e)
{
	return atomic_load_explicit(&e->seq, memory_order_acquire);
}
/* The master's side, before a generation is born: empties count entries. */
void token_reset(struct token_entry *e, unsigned count);

#endif
