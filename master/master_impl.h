/* The master's state, for the files of master/ that are parts of it: master.c, pulse.c, reaper.c, reload.c, stop.c, view.c. */
#ifndef MASTER_IMPL_H
#define MASTER_IMPL_H

#include "book.h"
#include "config_watch.h"
#include "control.h"
#include "generation.h"
#include "listeners.h"
#include "proxy_index.h"
#include "reload.h"

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
	struct listeners inherited;  /* kept as long as the daemon lives */
	struct proxy_index indices;
	struct control *control;
	enum master_state state;
	struct generation *generation[SHM_GENERATIONS]; /* NULL = free; the index is heritage.gen_index */
	struct generation *current;  /* the newest that serves, or is the first to */
	struct conf *conf;           /* of current; borrowed */
	uint32_t generations;        /* how many were made */
	uint64_t started_ms;
	int exit_status;
	bool stopping;               /* exit when all children are gone */
	bool termed;                 /* a TERM came */
	struct reload reload;
	struct config_watch config_watch;
	struct generation *undraining; /* being born after a drain; NULL = none */
	struct list drain_waiters, undrain_waiters; /* struct view_waiter */
	struct conf_errors undrain_changed; /* what undraining runs otherwise than the drained one; owned */
	sd_event_source *collector;  /* frees what has ended; off unless there is something */
	sd_event_source *delay;      /* stop.c: drain_delay */
	sd_event_source *tick;       /* pulse.c */
	uint64_t last_tick_ms;
	uint64_t hangup_ms;          /* stop.c: until then control clients may hang up by themselves */
	sd_event_source *hangup;
};

/* master.c: a generation of that configuration, which it takes over on success, beside those there are; *ret is being
 * born.  0 or -errno with reterr. */
MUST_CHECK int master_bear(struct master *m, struct conf *c, struct generation **ret, struct err *reterr);
/* Answers one waiter (NULL = nobody) with 409 and why. */
void master_refuse(const struct master *m, struct view_waiter *w, const char *why);
/* Answers all waiters of a list. */
void master_answer(struct list *waiters, const struct view_answer *a);
/* An answer without lines. */
struct view_answer master_answer_make(const struct master *m, unsigned status, int exit, const char *error);

/* pulse.c: heartbeats, own figures, the service manager's watchdog, twice a second.  0 or -errno. */
MUST_CHECK int pulse_start(struct master *m);

/* reaper.c: the one waitid of the process; strangers too, for it may be PID 1.  0 or -errno. */
MUST_CHECK int reaper_start(struct master *m);

/* stop.c.  TERM drains, again it means now; INT and QUIT mean now.  0 or -errno. */
MUST_CHECK int stop_start(struct master *m);
void stop_begin(struct master *m, bool now);
/* A generation is drained or has ended: drain and stop go on when it was the last. */
void stop_moved(struct master *m);
/* Ends the loop with that status once nothing is left. */
void stop_failed(struct master *m, int status);
/* NULL; or why not (static text), which w (NULL = nobody) was answered with. */
const char *drain_begin(struct master *m, struct view_waiter *w);

/* undrain.c */
void undrain_begin(struct master *m, struct view_waiter *w);
/* The generation that was to undo the drain serves, or cannot.  True when g was that; the good news is told by
 * undrain_answer(), when all others can see it. */
bool undrain_served(struct master *m, struct generation *g);
void undrain_answer(struct master *m);
bool undrain_failed(struct master *m, struct generation *g, int exit, const char *why);
/* Ends it, because of a stop or a drain, and answers who waits for it. */
void undrain_abort(struct master *m, const char *why);

/* notify.c: tells the service manager; does nothing without one. */
void notify_ready(const struct master *m);
void notify_reloading(void);
void notify_draining(void); /* also of a reload that ends with that */
void notify_drained(void);
void notify_extend(void);
void notify_stopping(const struct master *m);
void notify_watchdog(void);

/* master.c: workers_ready and the like in shared memory. */
void master_publish(struct master *m);

#endif
