/* What OpenSSL writes, on its way to the socket.  Worker and keeper. */
#include "tls_out.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "transport.h"

#define KEPT_MUCH (4 * 1024 * 1024) /* of all peers that do not read; then they are given a record at a time */
/* The records' heads and tails, short ones' too (RFC 6066 4), and a message between them. */
#define GATHERED_MAX (TLS_AT_ONCE + 64 * 1024)

static unsigned char gathered[GATHERED_MAX] __attribute__((aligned(64))); /* by the call under way; empty between calls */
static size_t gathered_n;
static size_t kept_n; /* by all */

/* --- to the socket -------------------------------------------------------------------------------------------- */

/* >= 0 bytes taken, n unless the socket is full; -errno. */
static ssize_t give(int fd, const unsigned char *bytes, size_t n)
{
	ssize_t r;

	do
		r = send(fd, bytes, n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 0 : -errno;
	return r;
}

static void forget(struct tls_out *o)
{
	kept_n -= o->end;
	free(TAKE(o->kept));
	o->from = o->end = 0;
}

static int send_kept(struct tls_out *o)
{
	const ssize_t n = give(o->fd, o->kept + o->from, o->end - o->from);

	if (n < 0)
		return (int)n;
	o->from += (size_t)n;
	if (o->from < o->end)
		return -EAGAIN;
	forget(o);
	return 0;
}

/* What is gathered beyond skip bytes goes behind what is kept. */
static int keep(struct tls_out *o, size_t skip)
{
	const size_t old = o->end - o->from, more = gathered_n - skip;
	unsigned char *all = malloc(old + more);

	if (!all)
		return -ENOMEM;
	if (old)
		memcpy(all, o->kept + o->from, old);
	memcpy(all + old, gathered + skip, more);
	forget(o);
	o->kept = all;
	o->end = old + more;
	kept_n += o->end;
	return -EAGAIN;
}

static int send_gathered(struct tls_out *o, bool full)
{
	const ssize_t n = full ? 0 : give(o->fd, gathered, gathered_n);

	if (n < 0)
		return (int)n;
	return (size_t)n < gathered_n ? keep(o, (size_t)n) : 0;
}

int tls_out_send(struct tls_out *o)
{
	int r = o->broken ? o->broken : o->kept ? send_kept(o) : 0;

	if (gathered_n && (r == 0 || r == -EAGAIN))
		r = send_gathered(o, r == -EAGAIN);
	gathered_n = 0;
	if (r != -EAGAIN)
		o->broken = r;
	return r;
}

size_t tls_out_room(const struct tls_out *o)
{
	return !o->kept && kept_n + TLS_AT_ONCE <= KEPT_MUCH && transport_is_drained(o->fd) ? TLS_AT_ONCE : 0;
}

/* --- what OpenSSL sees: a BIO that stands before the socket's ---------------------------------------------------- */

/* Sends while OpenSSL waits: 1, or -1 with what it asks for to know whether to come again. */
static int send_meanwhile(BIO *b, struct tls_out *o)
{
	const int r = tls_out_send(o);

	if (r == 0)
		return 1;
	if (r == -EAGAIN)
		BIO_set_retry_write(b);
	errno = -r;
	return -1;
}

/* A peer that makes us answer and does not read is not listened to any further. */
static bool is_full(const struct tls_out *o, size_t n)
{
	return n > sizeof(gathered) - gathered_n || o->end - o->from > sizeof(gathered);
}

static int on_write(BIO *b, const char *bytes, int n)
{
	struct tls_out *o = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (BIO_get_ktls_send(BIO_next(b))) { /* the kernel encrypts from now on, and what came before was flushed */
		const int r = BIO_write(BIO_next(b), bytes, n);
		BIO_copy_next_retry(b);
		return r;
	}
	if (n <= 0)
		return 0;
	if (is_full(o, (size_t)n) && send_meanwhile(b, o) < 0)
		return -1;
	memcpy(gathered + gathered_n, bytes, (size_t)n);
	gathered_n += (size_t)n;
	return n;
}

static int on_read(BIO *b, char *bytes, int n)
{
	struct tls_out *o = BIO_get_data(b);
	const int r = BIO_read(BIO_next(b), bytes, n);

	BIO_clear_retry_flags(b);
	BIO_copy_next_retry(b); /* which adds to what is set */
	o->drained = r < n && !BIO_get_ktls_recv(BIO_next(b)); /* where the kernel decrypts, a read brings one record */
	return r;
}

static long on_ctrl(BIO *b, int what, long number, void *pointer)
{
	if (what != BIO_CTRL_FLUSH)
		return BIO_ctrl(BIO_next(b), what, number, pointer);
	BIO_clear_retry_flags(b);
	return send_meanwhile(b, BIO_get_data(b));
}

static int on_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static const BIO_METHOD *method(void)
{
	static BIO_METHOD *made;

	if (made)
		return made;
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "tls_out");
	if (m && BIO_meth_set_write(m, on_write) && BIO_meth_set_read(m, on_read) && BIO_meth_set_ctrl(m, on_ctrl) && BIO_meth_set_create(m, on_create))
		made = m;
	else
		BIO_meth_free(m);
	return made;
}

int tls_out_begin(struct tls_out *o, SSL *ssl, int fd)
{
	BIO *socket = BIO_new_socket(fd, BIO_NOCLOSE);
	BIO *front = socket && method() ? BIO_new(method()) : NULL;

	if (!front) {
		BIO_free(socket);
		return -ENOMEM;
	}
	*o = (struct tls_out){ .fd = fd };
	BIO_set_data(front, o);
	(void)BIO_push(front, socket);
	SSL_set_bio(ssl, front, front); /* one reference for both, and the socket's with it */
	return 0;
}

void tls_out_end(struct tls_out *o)
{
	forget(o);
}
