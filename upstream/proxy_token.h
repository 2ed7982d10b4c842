/* The token that a connectivity proxy wants, as one process sees it: a copy of what the keeper published.  Worker and
 * keeper. */
#ifndef PROXY_TOKEN_H
#define PROXY_TOKEN_H

#include "buf.h"
#include "conf.h"
#include "heritage.h"

struct proxy_token {
	struct token_entry *entry; /* in shared memory */
	enum conf_auth auth;       /* bearer or service-token: which header */
	uint32_t seq;              /* of the entry when it was copied */
	bool known;                /* the copy was good */
	struct token copy;
};

enum proxy_token_state {
	PROXY_TOKEN_READY,
	PROXY_TOKEN_WAIT,  /* the keeper is at it: a change wakes this process */
	PROXY_TOKEN_FAILED /* copy.error says why there will be none for now */
};

/* For the proxy at that position of the configuration.  NULL with reterr->code 0: it wants no token; with another code: no
 * memory. */
struct proxy_token *proxy_token_new(const struct heritage *h, unsigned position, struct err *reterr);
/* Clears it.  NULL is nothing. */
void proxy_token_free(struct proxy_token *t);

/* Copies what changed since the last time. */
enum proxy_token_state proxy_token_look(struct proxy_token *t, uint64_t now_ms);
/* The proxy said 407 to the token with that serial: it is not used any more, and the keeper is woken. */
void proxy_token_refused(struct proxy_token *t, uint32_t serial, const struct heritage *h);
/* Appends the header line with the token of the copy; all or nothing. */
MUST_CHECK bool proxy_token_put(const struct proxy_token *t, struct buf *b);

#endif
