/* A worker's line to the master: what it is told, what it says.  Worker. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "heritage.h"
#include "loop.h"
#include "msg.h"

struct channel;

struct channel_calls {
	void (*kick)(struct channel *c);
	void (*drain)(struct channel *c, uint64_t deadline_ms); /* CLOCK_MONOTONIC; 0 = now */
	void (*lost)(struct channel *c);                        /* the master is gone; comes once */
};

struct channel {
	struct watch watch;
	int fd; /* owned; -1 = closed */
	uint32_t generation;
	const struct channel_calls *calls;
};

/* Takes fd into the loop.  0, or -errno (fd is owned all the same). */
MUST_CHECK int channel_open(struct channel *c, struct loop *l, int fd, uint32_t generation,
                            const struct channel_calls *calls);
void channel_close(struct channel *c);

/* Each is 0 or -errno; a master that is gone is no reason to stop working. */
MUST_CHECK int channel_ready(struct channel *c);
MUST_CHECK int channel_refused(struct channel *c, const struct err *why);
MUST_CHECK int channel_drained(struct channel *c, uint32_t cut);

#endif
