/* Asks every upstream that nobody has used for probe_interval for its /v2/, so that a broken way is known before the
 * next pull needs it.  Keeper; logs changes.  What came of it is in the keeper's own row of the statistics, as with any
 * other exchange (last success, last error). */
#ifndef PROBE_H
#define PROBE_H

#include "heritage.h"
#include "loop.h"

struct probes;

/* Nothing is asked before probes_start.  h stays borrowed.  NULL with reterr. */
struct probes *probes_new(struct loop *l, const struct heritage *h, struct err *reterr);
/* Not from within a turn of the loop.  NULL is nothing. */
void probes_free(struct probes *p);

/* This generation serves: an upstream never heard of is asked at once.  Twice is once. */
void probes_start(struct probes *p);
/* It is being replaced: ends what runs.  To be called before probes_free, with a turn of the loop in between. */
void probes_stop(struct probes *p);
/* An address or a token changed: a probe that waits for one goes on. */
void probes_news(struct probes *p);

#endif
