/* What the control API may see of the master and ask of it: the border between master/control_*.c and the rest of
 * master/.  Implemented by master/view.c.  Nothing here blocks. */
#ifndef VIEW_H
#define VIEW_H

#include <sys/types.h>

#include "conf.h"
#include "heritage.h"
#include "list.h"
#include "pulls.h"

struct master;

struct view_worker {
	unsigned slot;
	pid_t pid;
	uint32_t generation;
	const char *state;         /* starting, serving, draining, killed, waiting (for its respawn); static text */
	uint64_t sessions;         /* what the worker claims, 0 when it is more than it may have */
	uint64_t heartbeat_age_ms;
};

struct view_upstream {
	const char *name;          /* of the proxy; lives as long as the configuration */
	const char *state;         /* up, down, unknown; static text */
	uint32_t last_error;       /* enum error_id, a claim; 0 = none */
	uint64_t last_error_age_ms, last_success_age_ms; /* UINT64_MAX = never */
};

struct view_reload {
	const char *result;        /* "none", "ok" or "failed"; static text */
	const char *error;         /* "" unless failed */
	uint64_t at_wall_ms;       /* 0 = never */
};

/* Copies up to max rows, by generation, then slot; how many. */
unsigned view_workers(const struct master *m, struct view_worker *ret, unsigned max);
unsigned view_upstreams(const struct master *m, struct view_upstream *ret, unsigned max);
/* Address i of the listeners as written in the configuration; NULL behind the last. */
const char *view_listener(const struct master *m, unsigned i);
const char *view_state(const struct master *m);       /* starting, serving, draining, drained */
uint32_t view_generation(const struct master *m);     /* the serving one; 0 before the first serves */
pid_t view_keeper(const struct master *m);            /* of the serving generation; 0 = none now */
uint64_t view_uptime_ms(const struct master *m);
void view_last_reload(const struct master *m, struct view_reload *ret);
const struct conf *view_conf(const struct master *m);
const struct shm *view_shm(const struct master *m);

/* One live pull.  What the worker wrote is a claim: shown, never acted upon. */
struct view_pull {
	struct pull pull;
	unsigned slot;             /* of the worker */
	pid_t pid;
	uint32_t generation;
	uint64_t age_ms;
};

/* A walk over all live pulls, by generation, worker and row. */
struct view_pulls {
	void (*visit)(struct view_pulls *v, const struct view_pull *row); /* row lives for the call */
	unsigned listed, unlisted; /* visited; live without a row.  Both begin at 0 */
};
void view_pulls(const struct master *m, struct view_pulls *v);

/* What a drain still waits for. */
struct view_progress {
	unsigned pulls;
	uint64_t bytes_left;       /* of those whose length is known */
	uint64_t oldest_ms;
};
void view_progress(const struct master *m, struct view_progress *ret);

/* How a request ended that took its time. */
struct view_answer {
	unsigned status;                    /* of HTTP: 200, 409 refused, 422 configuration, 504 timeout */
	int exit;                           /* exitcode.h: what regctl ends with */
	const char *error;                  /* one line; "" = none */
	uint32_t generation;                /* that serves now */
	const struct conf_errors *errors;   /* lines "PATH:LINE: text"; may be empty */
	const struct conf_errors *changed;  /* "[section] key" */
};

/* Somebody who waits for an answer: embedded in its owner, who takes it out of its list (list_del) when it goes away
 * first.  answer is called once, maybe before the call that takes the waiter returns; what it gets lives for the call. */
struct view_waiter {
	struct list node;
	void (*answer)(struct view_waiter *w, const struct view_answer *a);
};

/* Reads the configuration again and brings a new generation beside the old; w is answered when it serves or is refused.
 * dry_run: only reads and compares. */
void view_reload(struct master *m, bool dry_run, struct view_waiter *w);
/* Accepts no more and lets pulls end; w (NULL = nobody) is answered when all have.  Ends an undrain that
 * runs.  NULL; or why that cannot be now (static text), and w was answered with it. */
const char *view_drain(struct master *m, struct view_waiter *w);
/* Serves again after a drain: a new generation from the configuration in effect; w is answered when it serves. */
void view_undrain(struct master *m, struct view_waiter *w);

/* Lets the keeper that serves now answer the client behind fd, of whose request nothing was read but MSG_DOCTOR_READ; fd stays
 * the caller's, who closes it.  0; -EPIPE: there is no keeper now; -EAGAIN: it has no room; -errno. */
MUST_CHECK int view_doctor(struct master *m, int fd);

/* Stops the daemon: now = false drains first.  Answers at once; the end comes later. */
void view_stop(struct master *m, bool now);

/* The level of all processes, until a reload changes it in the configuration. */
enum log_level view_log_level(const struct master *m);
void view_set_log_level(struct master *m, enum log_level level);

#endif
