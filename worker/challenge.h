/* WWW-Authenticate on its way to the client: the realm of every Bearer challenge becomes an address of the relay, because
 * the token server is on-premise, too.  The address carries the realm (token.h), so that any worker or replica can serve
 * it, and has the client's own authority: some clients ask no other.  RFC 9110 11.6.1, RFC 6750 3, distribution's token
 * authentication.  Worker. */
#ifndef CHALLENGE_H
#define CHALLENGE_H

#include "buf.h"
#include "conf.h"

#define CHALLENGE_REALM_MAX 2048 /* bytes of a realm; a longer one is replaced by an address that refuses */

struct challenge_at {
	const struct conf_registry *registry;
	struct strview host; /* the client's Host field, checked; empty = it sent none, nothing can be rewritten */
};

/* Appends the field's value, rewritten.  Basic and other challenges stay as they are, and so does a value that is no list
 * of challenges.  False: no room. */
MUST_CHECK bool challenge_put(struct buf *b, struct strview value, const struct challenge_at *at);

#endif
