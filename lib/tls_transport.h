/* A transport (transport.h) that encrypts: the client's side of TLS over a connected socket.  The process must ignore
 * SIGPIPE: OpenSSL writes with write(2). */
#ifndef TLS_TRANSPORT_H
#define TLS_TRANSPORT_H

#include "tls_context.h"
#include "transport.h"

struct tls_transport {
	struct transport transport; /* transport_read, _write and _close are used on this */
	void *session;              /* OpenSSL's; NULL = closed */
	bool ready;                 /* the handshake is done */
	char why[128];              /* of the failure that a call below or transport_* returned; one line, for people */
};

/* Takes fd (connected, NONBLOCK) into the loop, to speak TLS with a server that proves to be name: a DNS name (asked for by
 * SNI, found in subjectAltName, never in the CN, RFC 9525) or an IP address (in an iPAddress entry).  0: fd belongs to t, and
 * tls_handshake comes next.  -errno: it is still the caller's. */
MUST_CHECK int tls_transport_open(struct tls_transport *t, struct loop *l, int fd, const struct tls_context *c, const char *name,
                                  transport_fn *fn);

/* Goes on with the handshake.  0 = done; -EAGAIN = at the next event; -EPROTO, -ECONNRESET = failed, t->why says why. */
MUST_CHECK int tls_handshake(struct tls_transport *t);

#endif
