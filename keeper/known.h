/* What the keeper knows of one name, and when it asks again.  Keeper.  No resolver, no loop, no clock in here. */
#ifndef KNOWN_H
#define KNOWN_H

#include <stdbool.h>

#include "shm.h"

#define KNOWN_TTL_MIN_MS   5000  /* a name that says 0 is asked every 5 s */
#define KNOWN_TTL_MAX_MS   60000 /* a name that says a day is asked every minute: clusters change */
#define KNOWN_RETRY_MIN_MS 1000
#define KNOWN_RETRY_MAX_MS 10000
#define KNOWN_EAGER_MS     30000 /* after the start a name without an answer is asked every second so long */

struct known {
	struct names_entry *entry; /* in shared memory; this is its only writer */
	enum names_state state;    /* as published */
	struct names_address address[SHM_ADDRESSES];
	unsigned count;    /* > 0 exactly when state is NAMES_GOOD */
	unsigned failures; /* in a row; 0 = the last lookup was good, or there was none */
	uint64_t born_ms;
};

/* What a lookup changed: what the log says and whether the workers are woken. */
enum known_change {
	KNOWN_SAME,
	KNOWN_FOUND,  /* the first addresses */
	KNOWN_MOVED,  /* other addresses than before */
	KNOWN_BACK,   /* the same addresses, after lookups that failed */
	KNOWN_FAILED, /* the first failure, and no addresses */
	KNOWN_STALE   /* the first failure; the last good addresses stay */
};

/* Takes over what an earlier keeper of this generation left in entry: addresses that are there stay.  An entry that
 * it was killed in the middle of becomes PENDING and readable again. */
void known_init(struct known *k, struct names_entry *entry, uint64_t now_ms);

/* The lookup gave count > 0 addresses (more than SHM_ADDRESSES are cut).  Publishes them. */
MUST_CHECK enum known_change known_good(struct known *k, const struct names_address *address, unsigned count,
                                        uint64_t now_ms);
/* The lookup failed: error is why, a short text for people.  Publishes it; addresses stay. */
MUST_CHECK enum known_change known_bad(struct known *k, const char *error, uint64_t now_ms);

/* In how many ms to ask again; ttl_ms is that of the last good answer. */
uint64_t known_pause_ms(const struct known *k, uint64_t ttl_ms, uint64_t now_ms);

#endif
