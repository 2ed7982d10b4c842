/* What TLS connections share.  Master, worker and keeper. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

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
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION))
		return -EINVAL;
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
	                                    | SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_read_ahead(ctx, 1); /* a record's head and body in one read */
	return 0;
}

/* Partial chain: a bundle may hold the registry's or service's own certificate instead of its CA. */
static int set_up_client(SSL_CTX *ctx)
{
	static const unsigned char alpn[] = "\x08http/1.1";

	if (!X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN)
	    || SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) != 0) /* 0 is its success */
		return -EINVAL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, tls_verified);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, tls_keep_session);
	SSL_CTX_set_client_cert_cb(ctx, tls_no_certificate);
	return 0;
}

/* Asked of a socket that is not connected: another error says that there is such a thing.  OpenSSL would ask twice for every
 * connection. */
static bool kernel_encrypts(void)
{
	CLEANUP(close_p) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 || (errno != ENOENT && errno != ENOPROTOOPT));
}

static int set_up_server(SSL_CTX *ctx)
{
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (kernel_encrypts())
		(void)SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	(void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	return SSL_CTX_set_num_tickets(ctx, 1) ? 0 : -EINVAL;
}

static struct tls_context *context_new(const SSL_METHOD *method, int (*kind)(SSL_CTX *ctx), struct err *reterr)
{
	struct tls_context *c = calloc(1, sizeof(*c));

	ERR_clear_error();
	if (c)
		c->ctx = SSL_CTX_new(method);
	if (c && c->ctx && set_up(c->ctx) == 0 && kind(c->ctx) == 0)
		return c;
	(void)err_set(reterr, -ENOMEM, "cannot set up TLS: %s", tls_reason("out of memory"));
	tls_context_free(c);
	return NULL;
}

/* OpenSSL says "system lib" of what it cannot open, and waits for what a pipe will bring. */
static bool is_file(const char *path, struct err *reterr)
{
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		(void)err_sys(reterr, -errno, "%s: no CA certificates", path);
	else if (!S_ISREG(st.st_mode))
		(void)err_set(reterr, -EINVAL, "%s: no CA certificates: not a file", path);
	else
		return true;
	return false;
}

struct tls_context *tls_context_client(const char *ca_file, struct err *reterr)
{
	if (!is_file(ca_file, reterr))
		return NULL;
	struct tls_context *c = context_new(TLS_client_method(), set_up_client, reterr);
	if (c && SSL_CTX_load_verify_file(c->ctx, ca_file) != 1) {
		(void)err_set(reterr, -EINVAL, "%s: no CA certificates: %s", ca_file, tls_reason("unreadable"));
		tls_context_free(c);
		return NULL;
	}
	return c;
}

struct tls_context *tls_context_server(struct strview chain, struct strview key, struct err *reterr)
{
	struct tls_context *c = context_new(TLS_server_method(), set_up_server, reterr);

	if (c && tls_context_certificate(c, chain, key, reterr) < 0) {
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
	const unsigned long end = ok ? ERR_peek_last_error() : 0;
	if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE)
		return 0; /* one of them is broken */
	ERR_clear_error();
	return 1;
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

static const char *key_trouble(struct strview key)
{
	const char *own = tls_reason("not PEM");

	return sv_contains(key, SV("ENCRYPTED")) ? "encrypted, and there is nobody to ask for its passphrase" : own;
}

int tls_context_certificate(struct tls_context *c, struct strview chain, struct strview key, struct err *reterr)
{
	BIO *chain_bio = bio_of(chain), *key_bio = bio_of(key);
	int r = 0;

	ERR_clear_error();
	if (!chain_bio || !key_bio)
		r = err_sys(reterr, -ENOMEM, "cannot read the certificate");
	else if (!use_chain(c->ctx, chain_bio))
		r = err_set(reterr, -EINVAL, "the certificate: %s", tls_reason("not PEM"));
	else if (!use_key(c->ctx, key_bio))
		r = err_set(reterr, -EKEYREJECTED, "the key of the certificate: %s", key_trouble(key));
	BIO_free(chain_bio);
	BIO_free(key_bio);
	return r;
}

static uint64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	const time_t at = timegm(&tm);
	return at > 0 ? (uint64_t)at : 0;
}

uint64_t tls_context_begins(const struct tls_context *c)
{
	const X509 *cert = SSL_CTX_get0_certificate(c->ctx);

	return cert ? seconds_of(X509_get0_notBefore(cert)) : 0;
}

uint64_t tls_context_expires(const struct tls_context *c)
{
	const X509 *cert = SSL_CTX_get0_certificate(c->ctx);

	return cert ? seconds_of(X509_get0_notAfter(cert)) : 0;
}

bool tls_context_same(const struct tls_context *a, const struct tls_context *b)
{
	const X509 *one = SSL_CTX_get0_certificate(a->ctx), *other = SSL_CTX_get0_certificate(b->ctx);
	STACK_OF(X509) *chain = NULL, *others = NULL;

	if (!one || !other)
		return one == other;
	(void)SSL_CTX_get0_chain_certs(a->ctx, &chain);
	(void)SSL_CTX_get0_chain_certs(b->ctx, &others);
	bool same = X509_cmp(one, other) == 0 && sk_X509_num(chain) == sk_X509_num(others); /* -1: there is none */
	for (int i = 0; same && i < sk_X509_num(chain); i++)
		same = X509_cmp(sk_X509_value(chain, i), sk_X509_value(others, i)) == 0;
	return same;
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}
