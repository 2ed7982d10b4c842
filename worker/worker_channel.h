/* A worker's line to the master: what it is told, what it says.  Worker. */
#ifndef WORKER_CHANNEL_H
#define WORKER_CHANNEL_H

#include "heritage.h"
#include "loop.h"
#include "msg.h"

struct worker_channel;

struct worker_channel_calls {
	void (*kick)(struct worker_channel *c);
	void (*drain)(struct worker_channel *c, uint64_t deadline_ms); /* CLOCK_MONOTONIC; 0 = now */
	void (*lost)(struct worker_channel *c);                        /* the master is gone; comes once */
};

struct worker_channel {
	struct watch watch;
	int fd; /* owned; -1 = closed */
	uint32_t generation;
	const struct worker_channel_calls *calls;
};

/* Takes fd into the loop.  0, or -errno (fd is owned all the same). */
MUST_CHECK int worker_channel_open(struct worker_channel *c, struct loop *l, int fd, uint32_t generation,
                                   const struct worker_channel_calls *calls);
void worker_channel_close(struct worker_channel *c);

/* Each is 0 or -errno; a master that is gone is no reason to stop working. */
MUST_CHECK int worker_channel_ready(struct worker_channel *c);
MUST_CHECK int worker_channel_refused(struct worker_channel *c, const struct err *why);
MUST_CHECK int worker_channel_closed(struct worker_channel *c);
MUST_CHECK int worker_channel_drained(struct worker_channel *c, uint32_t cut);

#endif
