/* What a token service answered: a token and how long it is good, or why there is none.  Worker and
 * keeper. */
#ifndef TOKEN_ANSWER_H
#define TOKEN_ANSWER_H

#include "err.h"
#include "tokens.h"

enum token_answer_kind {
	TOKEN_ANSWER_OAUTH,   /* RFC 6749 5.1: access_token */
	TOKEN_ANSWER_REGISTRY /* distribution's token authentication: token, or access_token */
};

/* When nothing says how long it is good. */
#define TOKEN_LIFE_DEFAULT_MS  300000ull
#define TOKEN_LIFE_REGISTRY_MS 60000ull /* distribution: so long, unless expires_in says more */

/* Reads the JSON of a good answer: the token, expires_in.  Without expires_in the token's own `exp` counts (RFC 7519
 * 4.1.4), compared with wall_ms.  0: ret->bytes, n are the token, *ret_life_ms how long it is good from now on; -EINVAL
 * with reterr. */
MUST_CHECK int token_answer_read(enum token_answer_kind kind, struct strview body, uint64_t wall_ms, struct token *ret,
                                 uint64_t *ret_life_ms, struct err *reterr);

/* A few words of an error's JSON, made printable; "" when there are none.  RFC 6749 5.2 (error, error_description), OCI's
 * errors[].message, and `details` of docker's token servers. */
void token_answer_why(struct strview body, char *dst, size_t cap);

#endif
