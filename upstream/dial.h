/* Where to connect to: the addresses of a proxy's name, or of a host's that is reached without one, tried in turn. */
#ifndef DIAL_H
#define DIAL_H

#include "conn.h"

struct dial {
	struct names_address address[SHM_ADDRESSES];
	unsigned count, tried, first;
	uint16_t port;
	int error;     /* of the last address that failed, -errno */
	char text[64]; /* after -ENOENT: why the name has no address */
};

/* Looks the addresses for a key up, beginning with the one at `turn` (modulo their number).  0; -EAGAIN: the
 * keeper has not resolved the name yet; -ENOENT: it cannot, text says why. */
MUST_CHECK int dial_lookup(struct dial *d, const struct upstream *u, const struct pool_key *key, unsigned turn);

/* Begins to connect c to the next address.  0: under way; -errno (that of the last one): none is left. */
MUST_CHECK int dial_next(struct dial *d, struct conn *c);

/* What the address being tried may take of left_ms: the rest is shared evenly. */
uint64_t dial_share_ms(const struct dial *d, uint64_t left_ms);

#endif
