/* The names this generation may dial, resolved again and again into shared memory.  Keeper; logs and counts. */
#ifndef NAMES_H
#define NAMES_H

#include "heritage.h"
#include "lookup.h"

struct names;

/* Publishes what is known (known_init) and starts to resolve conf->names.  h stays borrowed; tuning may be NULL.
 * NULL with reterr: the resolver does not start. */
struct names *names_new(struct loop *l, const struct heritage *h, const struct lookup_tuning *tuning,
                        struct err *reterr);
/* Stops all lookups; the entries in shared memory stay as they are.  NULL is nothing. */
void names_free(struct names *n);

/* fn is called after an entry in shared memory has changed; one listener. */
void names_listen(struct names *n, void (*fn)(void *owner), void *owner);

/* A worker could not connect: asks again soon, at most once a second. */
void names_ask(struct names *n);

#endif
