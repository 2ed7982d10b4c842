/* Accepts clients from the listeners that all workers share.  Level-triggered and EPOLLEXCLUSIVE; to step
 * back is to leave the epoll set, never to shut the listener down.  Worker.
 *
 * A wake-up that this worker took and does not use wakes nobody else.  Therefore: whoever leaves the set and lives on
 * accepts what is queued first, and the master's KICK makes everybody enter anew after a worker died with its
 * wake-ups. */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include "heritage.h"
#include "loop.h"

struct acceptor;

/* Takes fd, or not: -errno = it is still the acceptor's, which closes it. */
typedef int acceptor_take_fn(struct acceptor *a, int fd, const struct sockaddr *peer, socklen_t len);
/* The listeners are broken: a bug, the process must end. */
typedef void acceptor_broken_fn(struct acceptor *a, int error);

enum acceptor_state {
	ACCEPTOR_OPEN,   /* in the set */
	ACCEPTOR_FULL,   /* out of it until a client leaves */
	ACCEPTOR_PAUSED, /* out of it for a moment: no descriptors or memory */
	ACCEPTOR_CLOSED  /* for good; listeners closed */
};

struct acceptor_listener {
	struct acceptor *acceptor;
	struct watch watch;
	int fd; /* owned; shared with other processes; -1 = closed */
};

struct acceptor {
	struct loop *loop;
	const struct shm *shm; /* other workers' sessions, for balance */
	struct stats_slot *stats;
	unsigned workers;
	unsigned limit;   /* clients at once */
	unsigned clients; /* now; kept by acceptor_clients */
	acceptor_take_fn *take;
	acceptor_broken_fn *broken;
	enum acceptor_state state;
	struct timer pause;
	unsigned since_turn;       /* accepted since the last time we went to the end of the line */
	uint64_t mean_at_ms, mean; /* sessions per worker, looked up now and then */
	bool warned;               /* of a pause; one line until accepting works again */
	struct acceptor_listener listener[HERITAGE_LISTENERS];
	unsigned listeners;
};

struct acceptor_options {
	unsigned limit, workers;
	uint64_t send_timeout; /* ms; bounds unacknowledged data of clients */
	acceptor_take_fn *take;
	acceptor_broken_fn *broken;
};

/* Enters the set with the listeners of h, which belong to the acceptor now.  0, or -errno with reterr. */
MUST_CHECK int acceptor_open(struct acceptor *a, struct loop *l, const struct heritage *h,
                             const struct acceptor_options *o, struct err *reterr);
/* How many clients there are now: leaves the set when full, returns when not any more. */
void acceptor_clients(struct acceptor *a, unsigned clients);
/* Enters the set anew. */
void acceptor_kick(struct acceptor *a);
/* Leaves for good: accepts what is queued, closes the listeners.  May be called twice. */
void acceptor_close(struct acceptor *a);

/* The same for a process that ends at once and can serve nobody: what is queued is left to the others, whom the master
 * kicks. */
void acceptor_abandon(struct acceptor *a);

/* What to do after accept4 failed with error. */
enum acceptor_verdict { ACCEPTOR_EMPTY, ACCEPTOR_RETRY, ACCEPTOR_PAUSE, ACCEPTOR_BROKEN };
enum acceptor_verdict acceptor_verdict(int error);

#endif
