/* The master's state, for the files of master/ that are parts of it: master.c, pulse.c, reaper.c, stop.c, view.c. */
#ifndef MASTER_IMPL_H
#define MASTER_IMPL_H

#include "book.h"
#include "control.h"
#include "generation.h"
#include "listeners.h"

enum master_state { MASTER_STARTING, MASTER_SERVING, MASTER_DRAINING, MASTER_DRAINED };

/* What generations call back, with the way home. */
struct master_calls {
	struct master *master;
	struct generation_calls calls;
};

struct master {
	struct master_calls calls;
	const struct master_children *children;
	sd_event *event;
	struct shm *shm;
	struct book book;
	struct listeners listen, admin;
	struct control *control;
	enum master_state state;
	struct generation *generation[SHM_GENERATIONS]; /* NULL = free; the index is heritage.gen_index */
	struct generation *current;  /* the newest that serves, or is the first to */
	struct conf *conf;           /* of current; borrowed */
	uint32_t generations;        /* how many were made */
	uint64_t started_ms;
	int exit_status;
	bool stopping;               /* exit when all children are gone */
	sd_event_source *tick;       /* pulse.c */
	uint64_t last_tick_ms;
	uint64_t hangup_ms;          /* stop.c: until then control clients may hang up by themselves */
	sd_event_source *hangup;
};

/* pulse.c: heartbeats, own figures, the service manager's watchdog, twice a second.  0 or -errno. */
MUST_CHECK int pulse_start(struct master *m);

/* reaper.c: the one waitid of the process; strangers too, for it may be PID 1.  0 or -errno. */
MUST_CHECK int reaper_start(struct master *m);

/* stop.c.  TERM drains, again it means now; INT and QUIT mean now.  0 or -errno. */
MUST_CHECK int stop_start(struct master *m);
void stop_begin(struct master *m, bool now);
/* A generation has ended: the stop goes on when it was the last. */
void stop_generation_gone(struct master *m);
/* Ends the loop with that status once nothing is left. */
void stop_failed(struct master *m, int status);

/* notify.c: tells the service manager; does nothing without one. */
void notify_ready(const struct master *m);
void notify_stopping(const struct master *m);
void notify_watchdog(void);

/* master.c: workers_ready and the like in shared memory. */
void master_publish(struct master *m);

#endif
