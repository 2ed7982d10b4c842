/* What the control API may see of the master and ask of it: the border between master/control_*.c and the rest of
 * master/.  Implemented by master/view.c.  Nothing here blocks. */
#ifndef VIEW_H
#define VIEW_H

#include <sys/types.h>

#include "conf.h"
#include "heritage.h"

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

/* Stops the daemon: now = false drains first.  Answers at once; the end comes later. */
void view_stop(struct master *m, bool now);

#endif
