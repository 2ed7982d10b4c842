/* One connection to a proxy: dialling, reading, closing.  Worker and keeper. */
#include "conn.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "splice.h"

/* Received and not read: the tunnel is shared, so what a client may never want must not be fetched far
 * ahead. */
#define RECEIVE_BYTES (256 * 1024)

/* Read at a time: a buffer has room for the longest head, but what a pull holds while its client takes nothing is what was
 * read into it. */
#define READ_BYTES (32 * 1024)

#define KEEPALIVE_IDLE_S     30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES     3

struct conn *conn_new(const struct pool_key *key)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->transport.fd = -1;
	c->pipe = PIPE_NONE;
	c->key = key;
	list_init(&c->node);
	list_init(&c->grave.node);
	pool_opened(key->pool);
	return c;
}

static void bury(struct grave *g)
{
	free(container_of(g, struct conn, grave));
}

void conn_close(struct conn *c, bool reset)
{
	if (!c)
		return;
	struct pool *p = c->key->pool;
	list_del(&c->node);
	loop_timer_stop(&c->idle);
	if (reset)
		transport_reset(&c->transport);
	else
		transport_close(&c->transport);
	c->fn = NULL;
	buf_return(&c->in, &p->upstream->bufs);
	splice_release(c);
	upstream_bury(p->upstream, &c->grave, bury);
	pool_closed(p);
}

static void on_transport(struct transport *t)
{
	struct conn *c = container_of(t, struct conn, transport);

	if (c->fn)
		c->fn(c);
	else
		pool_on_idle(c->key->pool, c);
}

static void set_option(int fd, int level, int name, int value)
{
	/* One that is refused makes a slower connection, not an error. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void tune(int fd, const struct conf_proxy *proxy)
{
	uint64_t patience_ms = proxy->connect_timeout < INT_MAX ? proxy->connect_timeout : INT_MAX;

	set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	/* A request that nobody acknowledges went to a host that is gone without a word, as a pooled
	 * connection's may be: better known soon, while the budget has room for a fresh one. */
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)patience_ms);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

int conn_connect(struct conn *c, const struct sockaddr *sa, socklen_t len)
{
	CLEANUP(close_p) int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	tune(fd, c->key->pool->proxy); /* before connect: the window scale is agreed on then */
	if (connect(fd, sa, len) < 0 && errno != EINPROGRESS)
		return -errno;
	int r = transport_open_plain(&c->transport, c->key->pool->upstream->loop, fd, on_transport);
	if (r < 0)
		return r;
	(void)take_fd(&fd);
	return 0;
}

void conn_disconnect(struct conn *c)
{
	transport_close(&c->transport);
}

int conn_connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (!c->transport.writable && !c->transport.failed)
		return -EINPROGRESS;
	if (getsockopt(c->transport.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	if (error)
		return -error;
	/* Hung up without an error: it was open and the peer is gone; reading tells the rest. */
	stats_add(&c->key->pool->stats->connects, 1);
	return 0;
}

ssize_t conn_fill(struct conn *c)
{
	struct upstream *u = c->key->pool->upstream;
	int r = buf_borrow(&c->in, &u->bufs);

	if (r < 0)
		return r;
	size_t room = buf_room(&c->in);
	if (room == 0)
		return -ENOBUFS;
	if (room > READ_BYTES)
		room = READ_BYTES;
	if (!c->transport.readable)
		return -EAGAIN;
	ssize_t n = transport_read(&c->transport, buf_tail(&c->in), room);
	if (n <= 0)
		return n;
	buf_filled(&c->in, (size_t)n);
	stats_add(&u->heritage->stats->upstream_bytes_in, (uint64_t)n);
	return n;
}

ssize_t conn_write(struct conn *c, struct strview bytes)
{
	const ssize_t n = transport_write(&c->transport, bytes.p, bytes.n);

	if (n > 0)
		stats_add(&c->key->pool->upstream->heritage->stats->upstream_bytes_out, (uint64_t)n);
	return n;
}

bool conn_is_clean(struct conn *c)
{
	char byte;

	if (c->transport.fd < 0 || buf_len(&c->in) || c->pipe.held || c->transport.peer_closed || c->transport.failed)
		return false;
	return !c->transport.readable || transport_read(&c->transport, &byte, 1) == -EAGAIN;
}
