/* A transport that encrypts.  Keeper. */
#include "tls_transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls_impl.h"

static struct tls_transport *tls_of(struct transport *t)
{
	return container_of(t, struct tls_transport, transport);
}

/* What OpenSSL's answer means: -errno, with why. */
static int failure(struct tls_transport *t, int n)
{
	SSL *ssl = t->session;
	const int saved = errno, kind = SSL_get_error(ssl, n);
	const long verify = SSL_get_verify_result(ssl);

	switch (kind) {
	case SSL_ERROR_WANT_READ: case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_SYSCALL:
		(void)snprintf(t->why, sizeof(t->why), "%s", saved ? strerror(saved) : "the connection ended");
		return saved ? -saved : -ECONNRESET;
	default:
		break;
	}
	if (!t->ready && verify != X509_V_OK) {
		ERR_clear_error();
		(void)snprintf(t->why, sizeof(t->why), "certificate: %s", X509_verify_cert_error_string(verify));
		return -EPROTO;
	}
	const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	(void)snprintf(t->why, sizeof(t->why), "TLS: %s", tls_reason("protocol error"));
	return ended ? -ECONNRESET : -EPROTO;
}

static ssize_t tls_read(struct transport *base, void *bytes, size_t n)
{
	struct tls_transport *t = tls_of(base);

	ERR_clear_error();
	errno = 0;
	int r = SSL_read(t->session, bytes, n < INT_MAX ? (int)n : INT_MAX);
	if (r > 0)
		return r;
	/* Only close_notify is an end; a FIN without it may be somebody's cut. */
	return SSL_get_error(t->session, r) == SSL_ERROR_ZERO_RETURN ? 0 : failure(t, r);
}

static ssize_t tls_writev(struct transport *base, const struct iovec *part, int parts)
{
	struct tls_transport *t = tls_of(base);
	ssize_t sum = 0;

	for (int i = 0; i < parts; i++) {
		if (part[i].iov_len == 0)
			continue;
		ERR_clear_error();
		errno = 0;
		int r = SSL_write(t->session, part[i].iov_base, part[i].iov_len < INT_MAX ? (int)part[i].iov_len : INT_MAX);
		if (r <= 0)
			return sum ? sum : failure(t, r);
		sum += r;
		if ((size_t)r < part[i].iov_len)
			break;
	}
	return sum;
}

static void tls_close(struct transport *base)
{
	struct tls_transport *t = tls_of(base);

	if (t->ready) {
		ERR_clear_error();
		(void)SSL_shutdown(t->session); /* says close_notify; nobody waits for theirs */
		ERR_clear_error();
	}
	SSL_free(t->session);
	t->session = NULL;
	t->ready = false;
	fd_close(&base->fd);
}

static const struct transport_ops tls_ops = { .read = tls_read, .writev = tls_writev, .close = tls_close };

static int expect_name(SSL *ssl, const char *name)
{
	unsigned char ignored[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, name, ignored) == 1 || inet_pton(AF_INET6, name, ignored) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

int tls_transport_open(struct tls_transport *t, struct loop *l, int fd, const struct tls_context *c, const char *name,
                       transport_fn *fn)
{
	ERR_clear_error();
	SSL *ssl = SSL_new(c->ctx);
	if (!ssl || !expect_name(ssl, name) || !SSL_set_fd(ssl, fd)) {
		SSL_free(ssl);
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_connect_state(ssl);
	*t = (struct tls_transport){ .session = ssl };
	int r = transport_open(&t->transport, l, fd, &tls_ops, fn);
	if (r < 0) {
		SSL_free(ssl); /* its BIO does not own fd */
		t->session = NULL;
		return r;
	}
	t->transport.crossed = true;
	return 0;
}

int tls_handshake(struct tls_transport *t)
{
	ERR_clear_error();
	errno = 0;
	int n = SSL_do_handshake(t->session);
	if (n != 1)
		return failure(t, n);
	t->ready = true;
	return 0;
}
