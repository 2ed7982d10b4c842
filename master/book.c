/* Who owns which slot of shared memory.  Master. */
#include "book.h"

unsigned book_take(struct book *b, struct shm *shm)
{
	for (unsigned i = 1; i < SHM_SLOTS; i++) {
		if (b->taken[i])
			continue;
		b->taken[i] = true;
		if (atomic_load_explicit(&shm->slots_used, memory_order_relaxed) <= i)
			atomic_store_explicit(&shm->slots_used, i + 1, memory_order_relaxed);
		return i;
	}
	return 0;
}

void book_return(struct book *b, unsigned slot)
{
	if (slot)
		b->taken[slot] = false;
}
