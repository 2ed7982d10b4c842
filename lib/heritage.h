/* All that a child keeps of the master.  It crosses by fork; every other descriptor is closed in the child. */
#ifndef HERITAGE_H
#define HERITAGE_H

#include "shm.h"

#define HERITAGE_LISTENERS 16
#define HERITAGE_WAKES     256

struct conf;

struct heritage {
	const struct conf *conf;            /* borrowed, frozen, outlives the child */
	int listen_fd[HERITAGE_LISTENERS];  /* workers: shared by all, never shutdown(), level-triggered */
	unsigned listeners;
	int admin_fd[HERITAGE_LISTENERS];   /* keeper only */
	unsigned admins;
	int channel_fd;                     /* SOCK_SEQPACKET to the master; EOF = the master is gone */
	int wake_fd;                        /* own eventfd: a name or token changed, or the keeper is asked */
	int wake_others[HERITAGE_WAKES];    /* eventfds to write: keeper -> workers of its generation and back; -1 = none */
	unsigned wakes;
	struct shm *shm;
	struct stats_slot *stats;           /* = &shm->slot[slot]; this child is its only writer */
	unsigned slot;                      /* < SHM_SLOTS */
	unsigned number;                    /* of the worker within its generation, from 0 */
	uint32_t generation;                /* from 1 */
	unsigned gen_index;                 /* < SHM_GENERATIONS */
	pid_t master_pid;                   /* to notice a master that died before we asked for its death signal */
};

/* Writes the eventfds of the others: a worker asks the keeper to look, the keeper tells its workers of news. */
void heritage_wake(const struct heritage *h);

#endif
