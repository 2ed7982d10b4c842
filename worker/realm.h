/* WWW-Authenticate on its way to the client: the realm of every Bearer challenge becomes an address of the relay, because
 * the token server is on-premise, too.  The address carries the realm (token.h), so that any worker or replica can serve
 * it, and has the client's own authority: some clients ask no other.  RFC 9110 11.6.1, RFC 6750 3, distribution's token
 * authentication.  Worker. */
#ifndef REALM_H
#define REALM_H

#include "buf.h"
#include "conf.h"

struct realm_at {
	const struct conf_registry *registry;
	bool tls;            /* the client speaks TLS with us */
	struct strview host; /* the client's Host field, checked; empty = it sent none, nothing can be rewritten */
};

/* Appends the field's value, rewritten.  Basic and other challenges stay as they are, and so does a value that is no list
 * of challenges.  A realm longer than CHALLENGE_REALM_MAX is replaced by an address that refuses.  False: no room. */
MUST_CHECK bool realm_put(struct buf *b, struct strview value, const struct realm_at *at);

#endif
