/* The inside of TLS, for lib/tls_*.c only. */
#ifndef TLS_IMPL_H
#define TLS_IMPL_H

#include <openssl/ssl.h>

#include "tls_context.h"
#include "tls_out.h"
#include "tls_transport.h"

struct tls_context {
	SSL_CTX *ctx; /* owned */
};

/* What a transport that encrypts has beside its socket; transport.layer, and the SSL's app data. */
struct tls_layer {
	SSL *ssl;
	struct tls_ticket *ticket; /* borrowed; NULL = none */
	char *name;                /* expected of the server, a copy; NULL = we are the server */
	int broken;                /* -errno that a read met after bytes: the next one tells */
	struct tls_out out;
	size_t ahead;              /* bytes encrypted that the caller does not know of: they count when they have left */
	bool ready;                /* the handshake is done */
	bool leaving;              /* nothing more is written: the socket is shut when what is kept has left */
	bool final;                /* what failed will fail again */
	bool asked;                /* the server asked for a client certificate, and there is none */
	char why[TLS_WHY_MAX];
};

static inline struct tls_layer *tls_layer_of(const struct transport *t)
{
	return t->layer;
}

/* Before a call of OpenSSL of which something can be asked afterwards. */
void tls_begin_call(void);
/* What OpenSSL's answer n means: -EAGAIN or -errno, the layer's why says more. */
int tls_failure(struct tls_layer *l, int n);
/* What OpenSSL wrote leaves.  0 = all of it; -EAGAIN = the rest waits for the socket; -errno. */
int tls_send_out(struct tls_layer *l);

/* transport_ops.writev. */
ssize_t tls_writev(struct transport *t, const struct iovec *part, int parts);

/* The newest entry of OpenSSL's error queue, which is emptied; "" becomes fallback.  Static or OpenSSL's own text. */
const char *tls_reason(const char *fallback);

/* Writes why the last call on the layer failed into its why, and empties the error queue.  error is errno after
 * SSL_ERROR_SYSCALL, else 0.  -EPROTO, -ECONNRESET or -error. */
int tls_explain(struct tls_layer *l, int error);

/* For SSL_CTX_set_verify, SSL_CTX_sess_set_new_cb and SSL_CTX_set_client_cert_cb. */
int tls_verified(int ok, X509_STORE_CTX *x);
int tls_keep_session(SSL *ssl, SSL_SESSION *session);
int tls_no_certificate(SSL *ssl, X509 **cert, EVP_PKEY **key);

#endif
