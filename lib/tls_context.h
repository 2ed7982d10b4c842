/* What TLS connections share: the versions we speak, the CAs we trust, our own certificate.  Any process that speaks TLS; one
 * made before a fork serves in the children, too.  There is no switch that turns the checks off. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "strview.h"

struct tls_context;

/* A client's: TLS 1.2 or newer; the server must show a certificate that a CA of the PEM bundle ca_file has signed (or that
 * is in it), for the name asked for.  NULL with reterr: the file cannot be read, or has no certificate. */
struct tls_context *tls_context_client(const char *ca_file, struct err *reterr);

/* What the other end is shown (by a client: when it is asked for): PEM text, the leaf first, and its key, unencrypted.  0,
 * or with reterr -EINVAL: the certificate is not PEM; -EKEYREJECTED: the key is not, or encrypted, or another one's. */
MUST_CHECK int tls_context_certificate(struct tls_context *c, struct strview chain, struct strview key, struct err *reterr);

/* A server's, with its certificate as above: TLS 1.2 or newer, sessions resumed by tickets that need no memory here (any process
 * that has this context by fork can resume them), encryption by the kernel where it can.  NULL with reterr. */
struct tls_context *tls_context_server(struct strview chain, struct strview key, struct err *reterr);

/* From when and until when the certificate that is shown is valid, in seconds since 1970; 0 = none is shown. */
uint64_t tls_context_begins(const struct tls_context *c);
uint64_t tls_context_expires(const struct tls_context *c);
/* Both show the same certificate (or none), and the same ones behind it. */
bool tls_context_same(const struct tls_context *a, const struct tls_context *b);

/* NULL is nothing.  Connections that are open keep what they need. */
void tls_context_free(struct tls_context *c);

#endif
