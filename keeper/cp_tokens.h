/* The tokens for connectivity proxies: fetched once for all workers of the generation, renewed before they expire, published
 * in shared memory.  Keeper; logs changes and counts.
 *
 * A proxy with `credentials` gets its token from the token service of the service binding (client credentials grant, RFC 6749
 * 4.4); one with `token_file` from that file.  Both are read again when they change.  When a new one cannot be had, the old
 * one stays as long as it is valid; attempts go on with growing pauses. */
#ifndef CP_TOKENS_H
#define CP_TOKENS_H

#include "heritage.h"
#include "lookup.h"

struct cp_tokens;

#define CP_TOKENS_WATCH_MS   250   /* how often files are looked at */
#define CP_TOKENS_BUDGET_MS  10000 /* of one request to a token service */
#define CP_TOKENS_PAUSE_MS   1000  /* after a failure; doubles up to ... */
#define CP_TOKENS_PAUSE_MAX  10000 /* ... this, while nobody waits or waiting is no use */
#define CP_TOKENS_PAUSE_SOON 2000  /* ... this, while requests wait */
#define CP_TOKENS_HOPE_MS    20000 /* failures that may pass: so long requests wait for a token, then they are told */

/* Begins at once.  h stays borrowed; tuning may be NULL.  NULL with reterr: no memory. */
struct cp_tokens *cp_tokens_new(struct loop *l, const struct heritage *h, const struct lookup_tuning *tuning, struct err *reterr);
/* Ends what runs; what was published stays.  Before cp_tokens_free, with a turn of the loop in between. */
void cp_tokens_stop(struct cp_tokens *t);
void cp_tokens_free(struct cp_tokens *t);

/* fn is called after an entry in shared memory has changed; one listener. */
void cp_tokens_listen(struct cp_tokens *t, void (*fn)(void *owner), void *owner);
/* Somebody woke the keeper: if a token was refused, another one is fetched, at most once a second. */
void cp_tokens_look(struct cp_tokens *t);

#endif
