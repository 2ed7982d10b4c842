/* What others can see of a request under way: its row among the live pulls, the gauge of requests in flight, and in the end
 * its times.  Worker. */
#ifndef LIVE_H
#define LIVE_H

#include "session.h"

/* s->rq was admitted; the head is still in s->sv->scratch. */
void live_begin(struct session *s);
/* The answer's head goes out: how long its body will be is known, or that nobody knows. */
void live_head(struct session *s);
/* Something moved, or it waits for something else now.  Nothing when no request is live. */
void live_update(struct session *s);
/* The request is over, however.  Nothing when none is live. */
void live_end(struct session *s);

#endif
