/* All connections of one process towards proxies and registries: pools, queues, limits.  Worker and
 * keeper. */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "conf.h"
#include "heritage.h"
#include "loop.h"

struct upstream;

/* NULL with reterr.  conf, shm and stats of h stay borrowed. */
struct upstream *upstream_new(struct loop *l, const struct heritage *h, struct err *reterr);
/* Closes everything; all sources must be freed before.  Not from within a turn of the loop: it may still hold
 * events. */
void upstream_free(struct upstream *u);
/* For who examines the way instead of pulling: no connection is kept and no breaker spares an attempt, so that each exchange tells
 * how a first one goes now; and buffers are cleared when they are returned.  Before the first exchange. */
void upstream_examine(struct upstream *u);
/* The keeper has published something (the process' wake eventfd): fetches that wait for a name or a token look again. */
void upstream_news(struct upstream *u);
/* Bodies are spliced through at most so many pipes at one time (two descriptors each), others are copied.  Before the first
 * exchange; without it as many as PIPES_MAX. */
void upstream_limit_pipes(struct upstream *u, unsigned max);
/* Draining: idle connections are closed now and when they fall idle; running fetches may still dial. */
void upstream_drain(struct upstream *u);

#endif
