/* TLS over a transport (transport.h): one that is open and connected is turned into one that encrypts, at either end.  Worker
 * and keeper.  The process must ignore SIGPIPE: OpenSSL writes with write(2). */
#ifndef TLS_TRANSPORT_H
#define TLS_TRANSPORT_H

#include "tls_context.h"
#include "transport.h"

#define TLS_WHY_MAX 192
#define TLS_BULK    (64 * 1024) /* of a read this large nothing is wiped: it is of a body */

/* What a server gave for a shorter handshake the next time: of one context, name and port alone. */
struct tls_ticket {
	void *session; /* OpenSSL's, owned; NULL = none */
};
void tls_ticket_free(struct tls_ticket *t);

/* Turns t, of which nothing was read, into the client's side, towards a server that proves to be name: a DNS name (asked for by
 * SNI, found in subjectAltName, never in the CN, RFC 9525) or an IP address (in an iPAddress entry).  ticket is used and
 * renewed, and outlives t; NULL = every handshake is a full one.  0: tls_handshake comes next.  -ENOMEM: t is as it was. */
MUST_CHECK int tls_begin_client(struct transport *t, const struct tls_context *c, const char *name, struct tls_ticket *ticket);

/* The server's side of it. */
MUST_CHECK int tls_begin_server(struct transport *t, const struct tls_context *c);

/* Goes on with the handshake.  0 = done; -EAGAIN = at the next event; -EPROTO, -ECONNRESET, -errno = failed, tls_why says
 * why. */
MUST_CHECK int tls_handshake(struct transport *t);

/* Why a call on t failed, for people, one line; valid until t is closed.  "" = nothing failed, or t is plain. */
const char *tls_why(const struct transport *t);

/* What failed will fail again: one side does not accept what the other is or can. */
bool tls_is_final(const struct transport *t);

/* The handshake was a short one. */
bool tls_resumed(const struct transport *t);

/* Bytes, encrypted ones, that count as written and wait for the socket. */
size_t tls_kept(const struct transport *t);

static inline bool tls_is(const struct transport *t)
{
	return t->layer != NULL;
}

#endif
