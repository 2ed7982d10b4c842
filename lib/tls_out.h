/* What OpenSSL writes, on its way to the socket: gathered, so that several records leave in one send(2).  What the socket does not
 * take is kept, for it is encrypted and cannot be made again.  Reading passes by, to see when the socket is empty.  For
 * lib/tls_*.c only; one thread. */
#ifndef TLS_OUT_H
#define TLS_OUT_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "cleanup.h"

#define TLS_RECORD_MAX (16 * 1024)         /* of plain bytes (RFC 8446 5.1) */
#define TLS_AT_ONCE    (16 * TLS_RECORD_MAX) /* plain bytes that may be encrypted between two sends */

struct tls_out {
	int fd;              /* borrowed */
	unsigned char *kept; /* owned; NULL = nothing */
	size_t from, end;    /* of kept: still to be sent */
	bool drained;        /* the last read was short, which says that the socket had no more then; whoever reads clears it */
	int broken;          /* -errno of the socket or -ENOMEM: nothing more leaves */
};

/* Puts o between ssl and the socket of fd.  0 or -ENOMEM. */
MUST_CHECK int tls_out_begin(struct tls_out *o, SSL *ssl, int fd);

/* To be called behind every call that may make OpenSSL write.  0 = all has left; -EAGAIN = the rest is kept, call again when the
 * socket is writable; -ENOMEM; -errno of the socket, then and from then on. */
MUST_CHECK int tls_out_send(struct tls_out *o);

/* How much may be encrypted before the next send: TLS_AT_ONCE, or 0, where a record at a time is enough: much waits in the
 * socket already, or in this process for all that do not read. */
size_t tls_out_room(const struct tls_out *o);

/* Before or behind SSL_free. */
void tls_out_end(struct tls_out *o);

#endif
