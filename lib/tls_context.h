/* What connections to TLS servers share: the CAs we trust, the versions we speak, our own certificate.  Any process that
 * speaks TLS.  There is no switch that turns the checks off. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include "err.h"
#include "strview.h"

struct tls_context;

/* A client's: TLS 1.2 or newer; the server must show a certificate that a CA of the PEM bundle ca_file has signed (or that
 * is in it), for the name asked for.  NULL with reterr: the file cannot be read, or has no certificate. */
struct tls_context *tls_context_client(const char *ca_file, struct err *reterr);

/* What a server that asks for a client certificate is shown: PEM text, the leaf first, and its key, unencrypted.  0, or
 * -EINVAL with reterr: not PEM, or the key is another one's. */
MUST_CHECK int tls_context_certificate(struct tls_context *c, struct strview chain, struct strview key, struct err *reterr);

/* NULL is nothing.  Connections that are open keep what they need. */
void tls_context_free(struct tls_context *c);

#endif
