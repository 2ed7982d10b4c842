/* What the log says about requests: one line each (level info, [log] access), and one warning when the way to
 * the registry failed.  Worker.  No credentials, no query strings. */
#ifndef ACCESS_H
#define ACCESS_H

#include "session.h"

/* The peer's address as text, without port; "" = unknown.  Returns dst. */
const char *access_peer(const union session_peer *peer, char dst[INET6_ADDRSTRLEN]);

/* The request is over, complete or not. */
void access_line(const struct session *s);
/* An own answer goes out: warns when it is about the way to the registry, with cause and fix. */
void access_error(const struct session *s);

#endif
