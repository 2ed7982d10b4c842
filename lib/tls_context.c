/* What connections to TLS servers share.  Keeper. */
#include <errno.h>
#include <limits.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls_impl.h"

const char *tls_reason(const char *fallback)
{
	const unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return text ? text : fallback;
}

static int set_up(SSL_CTX *ctx)
{
	/* Partial chain: a bundle may hold the registry's or service's own certificate instead of its CA. */
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION)
	    || !X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN))
		return -EINVAL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
	                                    | SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	return 0;
}

struct tls_context *tls_context_client(const char *ca_file, struct err *reterr)
{
	struct tls_context *c = calloc(1, sizeof(*c));

	ERR_clear_error();
	if (c)
		c->ctx = SSL_CTX_new(TLS_client_method());
	if (!c || !c->ctx || set_up(c->ctx) < 0) {
		(void)err_set(reterr, -ENOMEM, "cannot set up TLS: %s", tls_reason("out of memory"));
		tls_context_free(c);
		return NULL;
	}
	if (SSL_CTX_load_verify_file(c->ctx, ca_file) != 1) {
		(void)err_set(reterr, -EINVAL, "%s: no CA certificates: %s", ca_file, tls_reason("unreadable"));
		tls_context_free(c);
		return NULL;
	}
	return c;
}

/* All certificates of the text: the first is ours, the others lead to its CA. */
static int use_chain(SSL_CTX *ctx, BIO *text)
{
	X509 *one = PEM_read_bio_X509(text, NULL, NULL, NULL);
	int ok = one && SSL_CTX_use_certificate(ctx, one) == 1;

	X509_free(one);
	while (ok && (one = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, one) != 1) { /* takes it over on success only */
			X509_free(one);
			ok = 0;
		}
	if (ok)
		ERR_clear_error(); /* of reading beyond the last one */
	return ok;
}

/* A key that wants a passphrase is none for a daemon. */
static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
	(void)buf, (void)size, (void)rwflag, (void)user;
	return -1;
}

static int use_key(SSL_CTX *ctx, BIO *text)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, no_passphrase, NULL);
	int ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	return ok;
}

static BIO *bio_of(struct strview text)
{
	return text.n <= INT_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
}

int tls_context_certificate(struct tls_context *c, struct strview chain, struct strview key, struct err *reterr)
{
	BIO *chain_bio = bio_of(chain), *key_bio = bio_of(key);
	int r = 0;

	ERR_clear_error();
	if (!chain_bio || !key_bio)
		r = err_sys(reterr, -ENOMEM, "cannot read the client certificate");
	else if (!use_chain(c->ctx, chain_bio))
		r = err_set(reterr, -EINVAL, "the client certificate: %s", tls_reason("not PEM"));
	else if (!use_key(c->ctx, key_bio))
		r = err_set(reterr, -EINVAL, "the key of the client certificate: %s", tls_reason("not PEM, or encrypted"));
	BIO_free(chain_bio);
	BIO_free(key_bio);
	return r;
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}
