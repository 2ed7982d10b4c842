/* The event loop of workers and the keeper: one epoll, deadlines, deferred work.  One thread.
 *
 * A watch, a timer and a deferred are embedded in their owner (container_of gives it back).  An owner that has
 * a watch may be told of an event once more in the same turn after loop_del, unless it is gone for good: so
 * loop_del marks the watch and the loop skips it, and the owner's memory is freed only by loop_defer, which
 * runs after the turn's last event. */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "cleanup.h"
#include "list.h"

struct loop;
struct watch;
struct timer;
struct deferred;

typedef void watch_fn(struct watch *w, uint32_t events);   /* events: EPOLL* bits */
typedef void timer_fn(struct timer *t);                    /* t is already stopped */
typedef void deferred_fn(struct deferred *d);              /* d may be freed by it */

struct watch {
	struct loop *loop; /* NULL = not in a loop */
	int fd;            /* borrowed; the owner closes it after loop_del */
	watch_fn *fn;
};

struct timer {
	struct loop *loop; /* NULL = not armed */
	uint64_t at_ms;
	timer_fn *fn;
	struct timer *child, *next, **link; /* pairing heap: no allocation, so arming cannot fail */
};

struct deferred {
	struct list node; /* self-linked = not queued */
	deferred_fn *fn;
};

struct loop {
	int epoll_fd;
	bool stop;
	bool in_timers;
	uint64_t now_ms;    /* of this turn; what loop_now returns */
	uint64_t turns;     /* never reset: a loop that spins shows here */
	struct timer *heap; /* earliest first */
	struct list queue;  /* struct deferred */
	struct list running;
};

/* 0 or -errno.  loop_done closes the epoll fd; everything in the loop must be gone or must not be used again. */
MUST_CHECK int loop_init(struct loop *l);
void loop_done(struct loop *l);

/* Registers fd with events (EPOLLET, EPOLLEXCLUSIVE... as given).  0 or -errno (w stays out of the loop). */
MUST_CHECK int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn);
MUST_CHECK int loop_mod(struct watch *w, uint32_t events);
/* Takes w out; no event comes any more, not even one already fetched.  Nothing happens when it is out. */
void loop_del(struct watch *w);

/* Arms t (again) for at_ms on the monotonic clock; in the past = next turn.  Cannot fail. */
void loop_timer_at(struct loop *l, struct timer *t, uint64_t at_ms, timer_fn *fn);
/* The same, `in_ms` after loop_now. */
void loop_timer_in(struct loop *l, struct timer *t, uint64_t in_ms, timer_fn *fn);
void loop_timer_stop(struct timer *t);

void deferred_init(struct deferred *d);
/* Runs fn once after this turn's events; queueing a queued one changes nothing.  What a deferred function
 * queues runs in the next turn, which then does not wait. */
void loop_defer(struct loop *l, struct deferred *d, deferred_fn *fn);
void loop_defer_cancel(struct deferred *d);

static inline uint64_t loop_now(const struct loop *l)
{
	return l->now_ms;
}

/* Turns until loop_stop.  0, or -errno when epoll itself fails. */
MUST_CHECK int loop_run(struct loop *l);
/* One turn that waits at most max_wait_ms (-1 = until something is due): events, then what is due, then deferred work, also after
 * the process was stopped or interrupted.  0 or -errno. */
MUST_CHECK int loop_turn(struct loop *l, int max_wait_ms);
void loop_stop(struct loop *l);

#endif
