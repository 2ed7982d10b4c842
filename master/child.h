/* One child of a generation: its process, channel and timer behind the verbs of its slot.  Master. */
#ifndef CHILD_H
#define CHILD_H

#include "generation.h"

extern const struct slot_verbs child_verbs;

/* "worker 0" or "keeper" in a static buffer: for one log line. */
const char *child_name(const struct child *c);
/* Sends a message without payload; a child that cannot be told is logged (it will be reaped or found stuck). */
void child_send(struct child *c, enum msg_type type);
/* The same with a descriptor, which stays the caller's.  0; -EPIPE: there is no such process now; -EAGAIN; -errno. */
MUST_CHECK int child_send_fd(struct child *c, enum msg_type type, int passed);
/* Takes what the child said last, closes the channel, zeroes the gauges it left behind. */
void child_ended(struct child *c, int status);
/* Frees what the slot holds between respawns. */
void child_done(struct child *c);

/* generation.c: the child's slot has changed its state. */
void generation_moved(struct generation *g, struct child *c, enum slot_state was);
/* generation.c: one child less accepts. */
void generation_closed(struct generation *g);

#endif
