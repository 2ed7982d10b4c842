/* The other end for tests of TLS: certificates made on the spot, and a server's SSL. */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include <stdbool.h>
#include <openssl/ssl.h>

struct tls_server_options {
	const char *dns, *ip;    /* entries of subjectAltName; NULL = none */
	const char *cn;
	long from_s, until_s;    /* validity, from now; 0, 0 = an hour around now */
	bool stranger;           /* signed by a CA that nobody trusts */
	bool self_signed;
	int max_version;         /* 0 = any */
	bool wants_client;       /* asks for a client certificate of our CA */
};

/* A context for SSL_new.  Never NULL: it asserts.  One at a time. */
SSL_CTX *tls_server_new(const struct tls_server_options *o);
/* The file with its CA's certificate, until tls_server_free. */
const char *tls_server_ca(void);
/* A client certificate of that context's CA: PEM texts into chain and key (each of cap bytes). */
void tls_server_client_certificate(SSL_CTX *ctx, char *chain, char *key, size_t cap);
/* The same of a server, of the CA of the context made last. */
void tls_server_leaf(const struct tls_server_options *o, char *chain, char *key, size_t cap);
void tls_server_free(SSL_CTX *ctx);

#endif
