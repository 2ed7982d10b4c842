/* One exchange of the doctor's: a GET through the same code as pulls (fetch.h), what came of it, and a body up to a limit.
 * Keeper.  Its connection is its own and is closed afterwards, so that every exchange tells how a first one goes. */
#ifndef DOCTOR_EXCHANGE_H
#define DOCTOR_EXCHANGE_H

#include "fetch.h"
#include "loop.h"
#include "offer.h"

struct doctor_exchange;
typedef void doctor_exchange_fn(struct doctor_exchange *x);

#define DOCTOR_MARKS_MAX 256

struct doctor_exchange {
	/* what came of it; valid from the call of fn to the next start */
	enum error_id error;        /* ERROR_NONE = there was an answer, and what of its body was wanted */
	char text[ERROR_TEXT_MAX];  /* of the error */
	unsigned status;            /* of the last head; 0 = none came */
	struct offer offer;         /* of the last 401 */
	char *body;                 /* n bytes, cleared by stop */
	size_t n;
	uint64_t length;            /* of the body as its head says; 0 = it does not */
	uint64_t connect_ms, ms;    /* of the last dial; of all of it */
	const struct conf_host *at; /* who answered or failed: where it was redirected to; NULL = who was asked */
	char location[URL_AUTHORITY_MAX]; /* the host that the last redirect named; "" = there was none */
	char marks[DOCTOR_MARKS_MAX];     /* fields of intermediaries in heads of all exchanges since init; "" = none */

	/* the one that runs */
	struct upstream *upstream;
	struct loop *loop;
	doctor_exchange_fn *fn;
	struct source *source;
	struct deferred finish;
	struct timer deadline;
	size_t cap;
	const char *vhost;          /* of who is asked */
	uint64_t started_ms;
	bool enough;                /* the body may be cut at cap: that is all that was wanted */
};

void doctor_exchange_init(struct doctor_exchange *x, struct loop *l, struct upstream *u, doctor_exchange_fn *fn);
/* Begins; what rq's views point at must stay until fn is called, once, never from within.  cap: bytes of the body that are
 * taken; a longer one is an error (DOCTOR_BODY), unless enough is set: then the rest is not even waited for.  Not while one
 * runs. */
void doctor_exchange_start(struct doctor_exchange *x, const struct fetch_request *rq, size_t cap, bool enough);
/* Ends it without a call of fn, and clears what came.  x's memory may go only after a turn of the loop. */
void doctor_exchange_stop(struct doctor_exchange *x);

#endif
