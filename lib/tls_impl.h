/* The inside of a TLS context, for lib/tls_*.c only. */
#ifndef TLS_IMPL_H
#define TLS_IMPL_H

#include <openssl/ssl.h>

#include "tls_context.h"

struct tls_context {
	SSL_CTX *ctx; /* owned */
};

/* The newest entry of OpenSSL's error queue, which is emptied; "" becomes fallback.  Static or OpenSSL's own text. */
const char *tls_reason(const char *fallback);

#endif
