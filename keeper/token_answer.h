/* What a token service answered: a token and how long it is good, or why there is none.  Keeper. */
#ifndef TOKEN_ANSWER_H
#define TOKEN_ANSWER_H

#include "err.h"
#include "tokens.h"

#define TOKEN_LIFE_DEFAULT_MS 300000ull /* when nothing says how long it is good */

/* Reads the JSON of a good answer (RFC 6749 5.1): access_token, expires_in.  Without expires_in the token's own `exp` counts
 * (RFC 7519 4.1.4), compared with wall_ms.  0: ret->bytes, n are the token, *ret_life_ms how long it is good from now on;
 * -EINVAL with reterr. */
MUST_CHECK int token_answer_read(struct strview body, uint64_t wall_ms, struct token *ret, uint64_t *ret_life_ms,
                                 struct err *reterr);

/* A few words of an error's JSON (RFC 6749 5.2: error, error_description), made printable; "" when there are none. */
void token_answer_why(struct strview body, char *dst, size_t cap);

#endif
