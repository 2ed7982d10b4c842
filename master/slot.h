/* A slot: the place of one child (worker or keeper) in a generation, over all its respawns, as a table of states and
 * events.  Master.  Nothing here forks, kills or waits: the table calls the slot's verbs, so that a test can feed it
 * events without a process. */
#ifndef SLOT_H
#define SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "msg.h"

enum slot_state {
#define S(state, text) SLOT_##state,
#include "slot_states.def"
#undef S
	SLOT_STATES
};

enum slot_event {
	SLOT_SPAWN,   /* be born */
	SLOT_READY,   /* the child says it serves */
	SLOT_REFUSED, /* the child says it cannot; its exit follows */
	SLOT_STUCK,   /* no heartbeat for too long */
	SLOT_DRAIN,   /* finish and do not come back */
	SLOT_KILL,    /* end now and do not come back */
	SLOT_TIMEOUT, /* the deadline of the state has passed */
	SLOT_EXIT,    /* the child was reaped */
	SLOT_EVENTS
};

struct slot;

/* What the table needs done.  All return at once. */
struct slot_verbs {
	int (*fork)(struct slot *s);                          /* sets pid; 0 or -errno */
	void (*kill)(struct slot *s, int signal);
	void (*drain)(struct slot *s);                        /* tells the child to finish by s->drain_ms */
	void (*arm)(struct slot *s, uint64_t in_ms);          /* SLOT_TIMEOUT after that time; UINT64_MAX = never */
	void (*changed)(struct slot *s, enum slot_state was); /* after every change of state */
	uint64_t (*now_ms)(const struct slot *s);
};

struct slot {
	const struct slot_verbs *verbs;
	enum slot_state state;   /* written by slot_table.c only */
	bool leaving;            /* DRAIN or KILL came: no respawn */
	unsigned failures;       /* starts in a row that did not come to READY */
	pid_t pid;               /* 0 = no process */
	uint64_t since_ms;       /* when it came into its state */
	uint64_t drain_ms;       /* monotonic deadline of a drain; set before SLOT_DRAIN */
	uint64_t start_limit_ms; /* for READY */
	/* who it is */
	bool keeper;
	unsigned number;         /* within its generation */
	unsigned shm_slot;
	struct msg_refused refused; /* why the last child did not start: its words or the master's; code 0 = none */
	int exit_status;         /* of the last child: its exit status, or 128 + signal */
};

#define SLOT_BACKOFF_MIN_MS 100
#define SLOT_BACKOFF_MAX_MS 30000
#define SLOT_QUICK_MS       1000 /* a child that served shorter waits SLOT_BACKOFF_MIN_MS for its successor */
#define SLOT_GRACE_MS       2000 /* after a drain's deadline, after ABRT: then KILL */

/* Does what the event means in the slot's state; what means nothing there is ignored. */
void slot_feed(struct slot *s, enum slot_event ev);

const char *slot_state_name(enum slot_state s); /* as regctl shows it; static text */
const char *slot_event_name(enum slot_event ev);

/* A process is there, or one will be. */
static inline bool slot_is_empty(const struct slot *s)
{
	return s->state == SLOT_EMPTY;
}

#endif
