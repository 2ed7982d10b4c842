/* The doctor: answers POST /v1/doctor for clients of the control socket, whom the master hands over (msg.h, MSG_DOCTOR).  Keeper.
 * Here it is that credentials of a pull secret are read, used and cleared; nothing of them is logged or answered.
 *
 * Everything is bounded: clients, walks at once, heads, bodies, answers, time. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "heritage.h"
#include "loop.h"

#define DOCTOR_CLIENTS 8 /* when full, the oldest that is not being served goes */
#define DOCTOR_WALKS   2 /* at once; others are refused */

struct doctor;

/* h stays borrowed.  NULL with reterr. */
struct doctor *doctor_new(struct loop *l, const struct heritage *h, struct err *reterr);
/* Not from within a turn of the loop.  NULL is nothing. */
void doctor_free(struct doctor *d);

/* Serves the client behind fd (NONBLOCK), which it takes over, whatever happens. */
void doctor_take(struct doctor *d, int fd);
/* An address or a token changed: an exchange that waits for one goes on. */
void doctor_news(struct doctor *d);
/* Ends all walks and hangs up.  To be called before doctor_free, with a turn of the loop in between. */
void doctor_stop(struct doctor *d);

#endif
