/* Who owns which slot of shared memory: the master's own record, so that nothing a child wrote decides it.  Master. */
#ifndef BOOK_H
#define BOOK_H

#include <stdbool.h>

#include "shm.h"

struct book {
	bool taken[SHM_SLOTS]; /* slot 0 is the master's */
};

/* A free slot, or 0 when there is none.  Raises shm->slots_used. */
unsigned book_take(struct book *b, struct shm *shm);
/* Returns a slot; 0 is nothing. */
void book_return(struct book *b, unsigned slot);

#endif
