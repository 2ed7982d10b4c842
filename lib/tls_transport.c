/* TLS over a transport.  Worker and keeper. */
#include "tls_transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls_impl.h"

int tls_failure(struct tls_layer *l, int n)
{
	const int saved = errno;

	switch (SSL_get_error(l->ssl, n)) {
	case SSL_ERROR_WANT_READ: case SSL_ERROR_WANT_WRITE: return -EAGAIN;
	case SSL_ERROR_SYSCALL: return tls_explain(l, saved ? saved : ECONNRESET);
	default: return tls_explain(l, 0);
	}
}

void tls_begin_call(void)
{
	ERR_clear_error();
	errno = 0;
}

int tls_send_out(struct tls_layer *l)
{
	const int r = tls_out_send(&l->out);

	if (r == 0 && l->leaving) {
		l->leaving = false;
		(void)shutdown(l->out.fd, SHUT_WR);
	}
	if (r == 0 || r == -EAGAIN)
		return r;
	tls_begin_call(); /* nothing of it is OpenSSL's */
	return tls_explain(l, -r);
}

/* --- reading -------------------------------------------------------------------------------------------------- */

/* One record: > 0 bytes; 0 = the peer's close_notify (a FIN without it may be somebody's cut); -errno. */
static ssize_t read_record(struct tls_layer *l, void *bytes, size_t n)
{
	tls_begin_call();
	const int r = SSL_read(l->ssl, bytes, n < INT_MAX ? (int)n : INT_MAX);

	if (r > 0)
		return r;
	return SSL_get_error(l->ssl, r) == SSL_ERROR_ZERO_RETURN ? 0 : tls_failure(l, r);
}

/* As with a plain socket: what comes later makes a new edge, but not after a FIN. */
static bool is_empty(const struct transport *t, const struct tls_layer *l)
{
	return l->out.drained && !SSL_has_pending(l->ssl) && !t->peer_closed && !t->failed;
}

/* As many records as fit: less than n bytes mean that no more are there, as with a plain socket. */
static ssize_t read_records(struct transport *t, void *bytes, size_t n)
{
	struct tls_layer *l = tls_layer_of(t);
	char *at = bytes;
	size_t sum = 0;

	l->out.drained = false; /* what an earlier call saw says nothing: more may have come, and been told, since */
	while (sum < n) {
		const ssize_t r = read_record(l, at + sum, n - sum);
		if (r <= 0) {
			if (sum == 0)
				return r;
			if (r == -EAGAIN)
				t->readable = false;
			else if (r < 0)
				l->broken = (int)r;
			break;
		}
		sum += (size_t)r;
		if (is_empty(t, l)) {
			t->readable = false;
			break;
		}
	}
	return (ssize_t)sum;
}

/* Tokens and credentials come this way: they are wiped where OpenSSL had them.  Nobody reads them in pieces as large as those of
 * bodies, of which there is too much to wipe. */
static void wipe_small(SSL *ssl, size_t n)
{
	if (n < TLS_BULK)
		(void)SSL_set_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
	else
		(void)SSL_clear_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

/* Reading answers, too (new keys, alerts), and what is kept may have nobody else who sends it. */
static ssize_t tls_read(struct transport *t, void *bytes, size_t n)
{
	struct tls_layer *l = tls_layer_of(t);

	if (l->broken)
		return l->broken;
	wipe_small(l->ssl, n);
	const ssize_t r = read_records(t, bytes, n);
	if (r != -EAGAIN) { /* what the read met is what counts */
		(void)!tls_out_send(&l->out);
		return r;
	}
	const int sent = tls_send_out(l);
	return sent < 0 ? sent : r;
}

/* --- ends ----------------------------------------------------------------------------------------------------- */

/* 0; -EAGAIN = it has not left yet; -errno. */
static int say_goodbye(struct tls_layer *l)
{
	if (!l->ready || l->broken)
		return 0;
	ERR_clear_error();
	(void)SSL_shutdown(l->ssl); /* says close_notify; nobody waits for theirs */
	ERR_clear_error();
	return tls_out_send(&l->out);
}

static int tls_shut(struct transport *t)
{
	struct tls_layer *l = tls_layer_of(t);

	l->leaving = say_goodbye(l) == -EAGAIN;
	if (l->leaving)
		return 0;
	return shutdown(t->fd, SHUT_WR) < 0 ? -errno : 0;
}

static void layer_free(struct tls_layer *l)
{
	SSL_free(l->ssl);
	tls_out_end(&l->out);
	free(l->name);
	free(l);
}

static void tls_close(struct transport *t, bool reset)
{
	struct tls_layer *l = TAKE(t->layer);

	if (!reset) /* else nothing shall look complete */
		(void)!say_goodbye(l);
	layer_free(l);
	fd_close(&t->fd);
}

static size_t tls_room(const struct transport *t)
{
	return tls_out_room(&tls_layer_of(t)->out);
}

static const struct transport_ops tls_ops = {
	.read = tls_read, .writev = tls_writev, .room = tls_room, .shut = tls_shut, .close = tls_close
};

/* Where the kernel encrypts (kTLS), what we write goes to the socket as it is, also from a pipe. */
static const struct transport_ops kernel_ops = {
	.read = tls_read, .writev = transport_plain_writev, .from_pipe = transport_plain_from_pipe, .room = transport_plain_room,
	.shut = tls_shut, .close = tls_close
};

/* --- the beginning -------------------------------------------------------------------------------------------- */

/* Changes nothing in name; OpenSSL's macro wants no const. */
static int expect_name(SSL *ssl, char *name)
{
	unsigned char ignored[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, name, ignored) == 1 || inet_pton(AF_INET6, name, ignored) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
}

static struct tls_layer *layer_new(const struct transport *t, const struct tls_context *c, const char *name)
{
	struct tls_layer *l = calloc(1, sizeof(*l));

	ERR_clear_error();
	if (!l)
		return NULL;
	l->ssl = SSL_new(c->ctx);
	l->name = name ? strdup(name) : NULL;
	if (l->ssl && SSL_set_app_data(l->ssl, l) && tls_out_begin(&l->out, l->ssl, t->fd) == 0
	    && (!name || (l->name && expect_name(l->ssl, l->name))))
		return l;
	layer_free(l); /* the socket is not its own */
	ERR_clear_error();
	return NULL;
}

static void put_on(struct transport *t, struct tls_layer *l)
{
	t->layer = l;
	t->ops = &tls_ops;
	t->crossed = true;
}

int tls_begin_client(struct transport *t, const struct tls_context *c, const char *name, struct tls_ticket *ticket)
{
	struct tls_layer *l = layer_new(t, c, name);

	if (!l)
		return -ENOMEM;
	SSL_set_connect_state(l->ssl);
	l->ticket = ticket;
	if (ticket && ticket->session && SSL_set_session(l->ssl, ticket->session) != 1)
		ERR_clear_error(); /* then it is a full one */
	put_on(t, l);
	return 0;
}

int tls_begin_server(struct transport *t, const struct tls_context *c)
{
	struct tls_layer *l = layer_new(t, c, NULL);

	if (!l)
		return -ENOMEM;
	SSL_set_accept_state(l->ssl);
	put_on(t, l);
	return 0;
}

/* It may be the old session that the server does not bear any more: the next handshake is a full one. */
static void drop_ticket(struct tls_layer *l)
{
	if (!l->ticket || !l->ticket->session)
		return;
	tls_ticket_free(l->ticket);
	l->final = false;
}

/* Flights leave whole; an alert that says why it failed is tried. */
static int shake(struct tls_layer *l)
{
	tls_begin_call();
	const int n = SSL_do_handshake(l->ssl);
	const int error = n == 1 ? 0 : tls_failure(l, n);
	if (error && error != -EAGAIN) {
		(void)!tls_out_send(&l->out);
		drop_ticket(l);
		return error;
	}
	const int sent = tls_send_out(l);
	return sent ? sent : error;
}

int tls_handshake(struct transport *t)
{
	struct tls_layer *l = tls_layer_of(t);
	const int r = shake(l);

	if (r == 0) {
		l->ready = true;
		if (BIO_get_ktls_send(SSL_get_wbio(l->ssl))) {
			t->ops = &kernel_ops;
			t->crossed = false; /* writing waits for the socket alone, which tells */
		}
	}
	return r;
}

size_t tls_kept(const struct transport *t)
{
	return t->layer ? tls_layer_of(t)->out.end - tls_layer_of(t)->out.from : 0;
}

const char *tls_why(const struct transport *t)
{
	return t->layer ? tls_layer_of(t)->why : "";
}

bool tls_is_final(const struct transport *t)
{
	return t->layer && tls_layer_of(t)->final;
}

bool tls_resumed(const struct transport *t)
{
	return t->layer && SSL_session_reused(tls_layer_of(t)->ssl);
}

/* --- tickets -------------------------------------------------------------------------------------------------- */

void tls_ticket_free(struct tls_ticket *t)
{
	SSL_SESSION_free(TAKE(t->session));
}

int tls_keep_session(SSL *ssl, SSL_SESSION *session)
{
	const struct tls_layer *l = SSL_get_app_data(ssl);

	if (!l || !l->ticket)
		return 0; /* it stays OpenSSL's */
	tls_ticket_free(l->ticket);
	l->ticket->session = session;
	return 1;
}

int tls_no_certificate(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
	struct tls_layer *l = SSL_get_app_data(ssl);

	(void)cert, (void)key;
	if (l)
		l->asked = true;
	return 0;
}
