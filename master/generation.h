/* A generation: the workers and the keeper of one frozen configuration.  Master.  Generations are independent of each
 * other, so that a new one can be born beside the old. */
#ifndef GENERATION_H
#define GENERATION_H

#include <systemd/sd-event.h>

#include "book.h"
#include "conf.h"
#include "heritage.h"
#include "listeners.h"
#include "master.h"
#include "slot.h"

#define GENERATION_WORKERS 126 /* so many of two generations find slots in shared memory: else no reload could be */

enum generation_phase {
	GENERATION_STARTING, /* not all children were READY yet */
	GENERATION_SERVING,
	GENERATION_RETIRING, /* drained or killed; the keeper goes last */
	GENERATION_IDLE,     /* drained, but the keeper stays for probes and metrics */
	GENERATION_GONE      /* no process is left */
};

struct generation;

/* A slot with what supervises it. */
struct child {
	struct slot slot;
	struct generation *generation;
	int channel_fd; /* to the child; -1 = none */
	int wake_fd;    /* eventfd of the slot, over all its respawns */
	unsigned heard; /* messages of the process */
	bool closed;    /* the process said that it accepts no more */
	sd_event_source *io, *timer;
};

struct generation_calls {
	void (*served)(struct generation *g);                       /* all were READY for the first time */
	void (*failed)(struct generation *g, const struct child *c); /* a child could not start before that */
	void (*moved)(struct generation *g);                        /* a child changed its state */
	void (*closed)(struct generation *g);                       /* it retires, and none of it accepts any more; may repeat */
	void (*drained)(struct generation *g);                      /* the last worker of one whose keeper stays is gone */
	void (*gone)(struct generation *g);                         /* the last process has ended */
};

struct generation {
	uint32_t number; /* from 1 */
	unsigned index;  /* < SHM_GENERATIONS */
	enum generation_phase phase;
	struct conf *conf; /* owned */
	struct shm *shm;
	struct book *book;
	sd_event *event;
	struct listeners listen, admin; /* own copies; closed when it retires */
	const struct master_children *children;
	struct generation_calls *calls;
	bool keeps_keeper; /* when RETIRING */
	bool replaced;     /* another one has the admin addresses, or keeps them: none for this keeper */
	unsigned workers;
	struct child worker[GENERATION_WORKERS];
	struct child keeper;
	uint64_t drain_ms; /* deadline when RETIRING */
	uint64_t born_ms;  /* when its first child was wanted */
};

/* What a generation is made of; everything is borrowed but conf and the listeners, which it takes over on success. */
struct generation_plan {
	uint32_t number;
	unsigned index;
	struct conf *conf;
	struct shm *shm;
	struct book *book;
	sd_event *event;
	struct listeners listen, admin;
	const struct master_children *children;
	struct generation_calls *calls;
};

/* NULL with reterr: no memory, descriptors or shared slots (those of other generations included). */
struct generation *generation_new(const struct generation_plan *plan, struct err *reterr);
/* Forks all children; what happens then comes through the calls. */
void generation_start(struct generation *g);
/* Workers finish by the deadline (monotonic), then the keeper goes, unless keep_keeper.  Nothing when it is retiring
 * already. */
void generation_retire(struct generation *g, uint64_t deadline_ms, bool keep_keeper);
/* Lets the keeper of one that was retired with keep_keeper go, now or when the last worker has gone. */
void generation_release(struct generation *g);
/* A newer one serves: the keeper leaves the admin port, for good and in all its respawns. */
void generation_replace(struct generation *g);
/* It shall not serve after all: as generation_retire, without an admin port.  Workers that were READY have taken clients from
 * the listeners that all share; these are served to their end. */
void generation_give_up(struct generation *g);
/* Kills all children. */
void generation_kill(struct generation *g);
/* The child with that pid, or NULL. */
struct child *generation_child(struct generation *g, pid_t pid);
/* A worker that had the listeners died, of any generation: whoever serves looks anew for clients whose wake-up died with it. */
void generation_kick(struct generation *g);
/* A child was reaped; status as slot.exit_status. */
void generation_reaped(struct generation *g, struct child *c, int status);
/* Workers that serve. */
unsigned generation_ready(const struct generation *g);
/* Every child that is alive and whose last beat is older than stuck_ms gets SLOT_STUCK. */
void generation_check_beats(struct generation *g, uint64_t now_ms);
/* Frees a generation without processes.  NULL is nothing. */
void generation_free(struct generation *g);

#endif
