/* What a newborn generation is given of the one that runs: addresses of names and tokens for proxies, for both are good until its
 * own keeper has asked.  Without them a reload while DNS or a token service is down would make pulls fail that did not
 * before.  Master. */
#ifndef INHERIT_H
#define INHERIT_H

#include "conf.h"
#include "shm.h"

/* Whose tables these are: conf's, at index in shared memory. */
struct estate {
	const struct conf *conf; /* NULL = nobody's: nothing is there */
	unsigned index;          /* < SHM_GENERATIONS */
};

/* Empties the tables of `to`, then copies what `from` has of the same names, and of proxies of the same name whose tokens come
 * from the same place; of tokens those that are good at now_ms.  Before the first child of `to` is born. */
void inherit(struct shm *shm, struct estate to, struct estate from, uint64_t now_ms);

#endif
