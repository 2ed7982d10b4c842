/* A connected stream socket in an event loop: the plain kind.  Worker, keeper. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define UNSENT_FEW (64 * 1024)
#define ROOM       (256 * 1024)

static void on_event(struct watch *w, uint32_t events)
{
	struct transport *t = container_of(w, struct transport, watch);

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		t->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		t->writable = true;
	if (events & EPOLLRDHUP)
		t->peer_closed = true;
	if (events & (EPOLLHUP | EPOLLERR))
		t->failed = true;
	if (t->crossed)
		t->readable = t->writable = true;
	t->fn(t);
}

static ssize_t plain_read(struct transport *t, void *bytes, size_t n)
{
	ssize_t r;

	do
		r = recv(t->fd, bytes, n, 0);
	while (r < 0 && errno == EINTR);
	/* A short read has emptied the socket; what comes later makes a new edge.  After a FIN there is none. */
	if (r > 0 && (size_t)r < n && !t->peer_closed && !t->failed)
		t->readable = false;
	return r < 0 ? -errno : r;
}

ssize_t transport_plain_writev(struct transport *t, const struct iovec *part, int parts)
{
	const struct msghdr h = { .msg_iov = (struct iovec *)(uintptr_t)part, .msg_iovlen = (size_t)parts };
	ssize_t r;

	do
		r = sendmsg(t->fd, &h, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static ssize_t spliced(int from, int to, size_t n)
{
	ssize_t r;

	do
		r = splice(from, NULL, to, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static ssize_t plain_to_pipe(struct transport *t, int pipe, size_t n)
{
	return spliced(t->fd, pipe, n);
}

ssize_t transport_plain_from_pipe(struct transport *t, int pipe, size_t n)
{
	return spliced(pipe, t->fd, n);
}

bool transport_is_drained(int fd)
{
	int unsent;

	return ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent <= UNSENT_FEW;
}

size_t transport_plain_room(const struct transport *t)
{
	return transport_is_drained(t->fd) ? ROOM : 0;
}

static int plain_shut(struct transport *t)
{
	return shutdown(t->fd, SHUT_WR) < 0 ? -errno : 0;
}

static void plain_close(struct transport *t, bool reset)
{
	(void)reset;
	fd_close(&t->fd);
}

static const struct transport_ops plain_ops = {
	.read = plain_read, .writev = transport_plain_writev, .to_pipe = plain_to_pipe,
	.from_pipe = transport_plain_from_pipe, .room = transport_plain_room, .shut = plain_shut, .close = plain_close
};

int transport_open_plain(struct transport *t, struct loop *l, int fd, transport_fn *fn)
{
	*t = (struct transport){ .ops = &plain_ops, .fd = -1, .fn = fn };
	int r = loop_add(l, &t->watch, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_event);
	if (r < 0)
		return r;
	t->fd = fd;
	return 0;
}

size_t transport_room(const struct transport *t)
{
	return t->writable ? t->ops->room(t) : 0;
}

ssize_t transport_read(struct transport *t, void *bytes, size_t n)
{
	ssize_t r = t->ops->read(t, bytes, n);

	if (r == -EAGAIN)
		t->readable = false;
	return r;
}

int transport_peek(struct transport *t)
{
	unsigned char first;
	ssize_t r;

	do
		r = recv(t->fd, &first, 1, MSG_PEEK);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		return first;
	if (r == 0)
		return -ECONNRESET;
	if (errno == EAGAIN)
		t->readable = false;
	return -errno;
}

int transport_error(const struct transport *t)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

ssize_t transport_writev(struct transport *t, const struct iovec *part, int parts)
{
	ssize_t r = t->ops->writev(t, part, parts);

	if (r == -EAGAIN)
		t->writable = false;
	return r;
}

ssize_t transport_write(struct transport *t, const void *bytes, size_t n)
{
	const struct iovec part = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };

	return transport_writev(t, &part, 1);
}

ssize_t transport_to_pipe(struct transport *t, int pipe, size_t n)
{
	ssize_t r = t->ops->to_pipe(t, pipe, n);

	if (r == -EAGAIN)
		t->readable = false;
	return r;
}

ssize_t transport_from_pipe(struct transport *t, int pipe, size_t n)
{
	ssize_t r = t->ops->from_pipe(t, pipe, n);

	if (r == -EAGAIN)
		t->writable = false;
	return r;
}

int transport_shut(struct transport *t)
{
	return t->ops->shut(t);
}

static void leave(struct transport *t, bool reset)
{
	loop_del(&t->watch);
	t->ops->close(t, reset);
	t->readable = t->writable = false;
}

void transport_close(struct transport *t)
{
	if (t->fd >= 0)
		leave(t, false);
}

void transport_reset(struct transport *t)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (t->fd < 0)
		return;
	(void)setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	leave(t, true);
}
