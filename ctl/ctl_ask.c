/* One question to the daemon over its control socket, with a deadline.  Regctl. */
#include "ctl_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "clock.h"
#include "exitcode.h"
#include "http_wire.h"

struct answer {
	char *bytes;
	size_t n, cap;
	struct wire wire;
	unsigned status;
	size_t head, total;      /* total 0 = the head is not complete */
	bool lines;              /* until the end of the connection; then head is where the line begins that is not whole */
	size_t last;             /* of these, where the last whole one begins; 0 = none came */
	void (*progress)(const char *line);
	int fd;                  /* borrowed */
	struct strview leave;    /* the body of the request, while it waits for leave to be sent */
};

/* Milliseconds for poll: -1 = as long as it takes. */
static int left(uint64_t deadline_ms)
{
	const uint64_t now = clock_now_ms();

	if (deadline_ms == CTL_NO_DEADLINE)
		return -1;
	if (now >= deadline_ms)
		return 0;
	return deadline_ms - now > 86400000 ? 86400000 : (int)(deadline_ms - now);
}

/* 0 when fd is readable (or has ended), else -ETIMEDOUT or -errno. */
static int wait_readable(int fd, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		const int r = poll(&p, 1, left(deadline_ms));

		if (r > 0)
			return 0;
		if (r == 0 && left(deadline_ms) == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

/* connect and send on a Unix socket wait only while the daemon's queue is full; SO_SNDTIMEO bounds both. */
static int bound_sending(int fd, uint64_t deadline_ms)
{
	const int ms = left(deadline_ms);
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (ms == 0)
		return -ETIMEDOUT;
	if (ms > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	return 0;
}

static int connect_to(const char *path, uint64_t deadline_ms, int *ret_fd, struct err *reterr)
{
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (!sv_copy(at.sun_path, sizeof(at.sun_path), sv_str(path)))
		return err_set(reterr, -ENAMETOOLONG, "socket path too long: %s", path);
	int r = fd < 0 ? -errno : bound_sending(fd, deadline_ms);
	if (r == 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		r = errno == EAGAIN ? -ETIMEDOUT : errno == ENOTDIR ? -ENOENT : -errno;
	if (r == -ENOENT || r == -ECONNREFUSED)
		return err_sys(reterr, r, "no daemon listens on %s", path);
	if (r == -EACCES || r == -EPERM)
		return err_sys(reterr, -EACCES, "no permission on %s", path);
	if (r < 0)
		return err_sys(reterr, r, "cannot connect to %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int send_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EPIPE)
			return 0; /* it may have answered before it closed: reading tells */
		if (sent < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		bytes += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* The head, and the body unless it waits for leave. */
static int send_request(int fd, const struct ctl_question *q)
{
	const struct control_call_row *row = control_call_row(q->call);
	const struct strview body = q->body;
	char head[512], fields[128] = "";

	if (body.n)
		(void)snprintf(fields, sizeof(fields), "Content-Type: application/json\r\nContent-Length: %zu\r\n%s", body.n,
		               q->private ? "Expect: 100-continue\r\n" : "");
	const int n = snprintf(head, sizeof(head),
	                       "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/%s\r\n%s"
	                       "Connection: close\r\n\r\n", row->method, row->path,
	                       q->progress ? "x-ndjson" : "json", fields);
	if (n < 0 || (size_t)n >= sizeof(head))
		return -EMSGSIZE;
	int r = send_all(fd, head, (size_t)n);
	return r < 0 || q->private ? r : send_all(fd, body.p, body.n);
}

static const struct gate_limits limits = { CONTROL_HEAD_MAX, CONTROL_HEAD_MAX, CONTROL_FIELDS_MAX };

/* An interim head of n bytes is taken off; 100 is the leave to send the body (RFC 9110 15.2). */
static int take_interim(struct answer *a, unsigned status, size_t n)
{
	const struct strview body = a->leave;

	a->n -= n;
	memmove(a->bytes, a->bytes + n, a->n);
	wire_init_response(&a->wire, &limits, false);
	if (status != 100)
		return 0;
	a->leave = SV_NONE;
	return send_all(a->fd, body.p, body.n);
}

/* 1 = it is there, 0 = more to come, -EBADMSG, -errno. */
static int judge_head(struct answer *a)
{
	struct http_head h;
	const enum wire_result r = wire_feed(&a->wire, a->bytes, a->n, &h);

	if (r == WIRE_MORE)
		return 0;
	if (r != WIRE_DONE)
		return -EBADMSG;
	if (h.status < 200) {
		const int sent = take_interim(a, h.status, h.bytes);
		return sent < 0 || a->n == 0 ? sent : judge_head(a);
	}
	a->status = h.status;
	a->head = h.bytes;
	a->lines = h.framing == HTTP_BODY_CLOSE && a->progress;
	if (!a->lines && (!h.has_length || h.content_length > CONTROL_ANSWER_MAX - h.bytes))
		return -EBADMSG;
	a->total = h.bytes + (a->lines ? 0 : (size_t)h.content_length);
	return 1;
}

/* Hands out every line that is whole by now. */
static void judge_lines(struct answer *a)
{
	char *end;

	while ((end = memchr(a->bytes + a->head, '\n', a->n - a->head)) != NULL) {
		*end = '\0';
		a->progress(a->bytes + a->head);
		a->last = a->head;
		a->head = (size_t)(end + 1 - a->bytes);
	}
}

/* 1 = complete, 0 = more to come, -EBADMSG, -errno. */
static int judge(struct answer *a)
{
	int r = a->total ? 1 : judge_head(a);

	if (r <= 0)
		return r;
	if (a->lines) {
		judge_lines(a);
		return 0;
	}
	if (a->n < a->total)
		return 0;
	return a->n == a->total ? 1 : -EBADMSG;
}

/* The end of the connection: of lines the last one is the answer. */
static int judge_end(struct answer *a)
{
	if (!a->lines || !a->last)
		return -ECONNRESET;
	a->total = a->head;
	a->bytes[a->total - 1] = '\n'; /* JSON text has no terminator inside */
	a->head = a->last;
	return 0;
}

/* Room for more bytes and a terminator. */
static int grow(struct answer *a)
{
	if (a->n + 1 < a->cap)
		return 0;
	const size_t cap = a->cap ? a->cap * 2 : 16384;
	char *bytes = cap <= 2 * CONTROL_ANSWER_MAX ? realloc(a->bytes, cap) : NULL;

	if (!bytes)
		return -ENOMEM;
	a->bytes = bytes;
	a->cap = cap;
	return 0;
}

static int read_answer(int fd, uint64_t deadline_ms, struct answer *a)
{
	int r;

	while ((r = grow(a)) == 0 && (r = wait_readable(fd, deadline_ms)) == 0) {
		const ssize_t n = recv(fd, a->bytes + a->n, a->cap - a->n - 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : judge_end(a);
		a->n += (size_t)n;
		r = judge(a);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return r;
}

int ctl_ask(const struct ctl_question *q, struct ctl_reply *ret, struct err *reterr)
{
	CLEANUP(close_p) int fd = -1;
	struct answer a = { .progress = q->progress };
	const char *socket = q->socket;
	int r = connect_to(socket, q->deadline_ms, &fd, reterr);

	if (r < 0)
		return r;
	wire_init_response(&a.wire, &limits, false);
	a.fd = fd;
	a.leave = q->private ? q->body : SV_NONE;
	r = send_request(fd, q);
	if (r == 0)
		r = read_answer(fd, q->deadline_ms, &a);
	if (r < 0) {
		free(a.bytes);
		if (r == -EBADMSG)
			return err_set(reterr, r, "what answers on %s is not a regrelayd", socket);
		if (r == -ECONNRESET)
			return err_set(reterr, r, "the daemon on %s closed the connection without an answer", socket);
		if (r == -ETIMEDOUT)
			return err_set(reterr, r, "the daemon on %s did not answer in time", socket);
		return err_sys(reterr, r, "asking the daemon on %s", socket);
	}
	memmove(a.bytes, a.bytes + a.head, a.total - a.head);
	a.bytes[a.total - a.head] = '\0';
	*ret = (struct ctl_reply){ a.status, a.bytes, a.total - a.head, take_fd(&fd) };
	return 0;
}

void ctl_reply_done(struct ctl_reply *r)
{
	free(TAKE(r->body));
	fd_close(&r->fd);
}

/* Of the process that listens at the other end; -1 = it is not in our sight (another pid namespace). */
static int open_peer(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.pid <= 0)
		return -1;
	return pidfd_open(peer.pid, 0);
}

int ctl_wait_end(int fd, uint64_t deadline_ms)
{
	CLEANUP(close_p) int process = open_peer(fd);
	char waste[256];
	ssize_t n;
	int r;

	do {
		r = wait_readable(fd, deadline_ms);
		n = r == 0 ? recv(fd, waste, sizeof(waste), 0) : -1;
	} while (r == 0 && (n > 0 || (n < 0 && errno == EINTR)));
	if (r == 0 && process >= 0)
		r = wait_readable(process, deadline_ms);
	return r;
}

int ctl_exit_status(int error)
{
	switch (error) {
	case 0: return EXITCODE_OK;
	case -ENOENT:
	case -ECONNREFUSED: return EXITCODE_NOT_RUNNING;
	case -EACCES: return EXITCODE_PERMISSION;
	case -ETIMEDOUT: return EXITCODE_TIMEOUT;
	case -ENAMETOOLONG: return EXITCODE_USAGE;
	default: return EXITCODE_FAILED;
	}
}
