/* splicer: the limit that relays are measured against: relays TCP between a port and one backend, and knows nothing of HTTP.
 *   splicer PORT BACKEND-PORT PROCESSES           both on 127.0.0.1; ends by a signal
 * What comes from the client is copied.  What comes from the backend is copied while it is small, and spliced once a
 * whole buffer came at once.  A connection of the client's has one to the backend, so there is nothing to pool. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER     16384
#define PIPE_BYTES (1024 * 1024)
#define BATCH      128

struct pair;

struct end {
	struct pair *pair;
	int fd;
	bool readable, writable;
};

struct pair {
	struct end client, server;
	int pipe[2];         /* from server to client; -1 = not needed so far */
	size_t in_pipe;
	bool ended;          /* the server has sent its FIN */
	bool dead;           /* closed; freed after the turn */
	struct pair *next;   /* of the dead */
	size_t held_up, held_down; /* bytes in the buffers, from their front on */
	char up[BUFFER], down[BUFFER];
};

static int epoll_fd;
static struct sockaddr_in backend = { .sin_family = AF_INET };
static struct pair *dead;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void end_pair(struct pair *p)
{
	if (p->dead)
		return;
	p->dead = true;
	close(p->client.fd);
	close(p->server.fd);
	if (p->pipe[0] >= 0) {
		close(p->pipe[0]);
		close(p->pipe[1]);
	}
	p->next = dead;
	dead = p;
}

static void watch(struct end *e)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = e };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, e->fd, &ev) < 0)
		die("epoll_ctl");
}

static void open_pair(int client)
{
	struct pair *p = calloc(1, sizeof(*p));
	const int on = 1;

	if (!p)
		die("calloc");
	p->pipe[0] = p->pipe[1] = -1;
	p->client = (struct end){ p, client, false, false };
	p->server = (struct end){ p, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), false, false };
	if (p->server.fd < 0
	    || (connect(p->server.fd, (struct sockaddr *)&backend, sizeof(backend)) < 0 && errno != EINPROGRESS))
		die("backend");
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(p->server.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch(&p->client);
	watch(&p->server);
}

/* What a call on e gave: > 0 bytes, 0 = end, -1 = nothing now, -2 = broken. */
static ssize_t outcome(struct end *e, bool *ready, ssize_t n)
{
	if (n >= 0)
		return n;
	if (errno != EAGAIN)
		return -2;
	*ready = false;
	(void)e;
	return -1;
}

/* Copies from one end to the other as far as both are ready; whether all of it was small.  -2 = broken, 0 = end. */
static ssize_t copy(struct end *from, struct end *to, char *buffer, size_t *held)
{
	for (;;) {
		ssize_t n;
		if (*held) {
			if (!to->writable)
				return -1;
			n = outcome(to, &to->writable, send(to->fd, buffer, *held, MSG_NOSIGNAL));
			if (n < 0)
				return n;
			if ((size_t)n < *held)
				for (size_t i = 0; i < *held - (size_t)n; i++)
					buffer[i] = buffer[i + (size_t)n];
			*held -= (size_t)n;
			continue;
		}
		if (!from->readable)
			return -1;
		n = outcome(from, &from->readable, recv(from->fd, buffer, BUFFER, 0));
		if (n <= 0)
			return n;
		*held = (size_t)n;
		if (n == BUFFER)
			return BUFFER;
		from->readable = false; /* a short read has emptied it */
	}
}

static ssize_t splice_on(struct pair *p)
{
	struct end *from = &p->server, *to = &p->client;

	for (;;) {
		ssize_t n;
		if (p->in_pipe) {
			if (!to->writable)
				return -1;
			n = outcome(to, &to->writable, splice(p->pipe[0], NULL, to->fd, NULL, p->in_pipe,
			                                      SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
			if (n < 0)
				return n;
			p->in_pipe -= (size_t)n;
			continue;
		}
		if (!from->readable)
			return -1;
		n = outcome(from, &from->readable, splice(from->fd, NULL, p->pipe[1], NULL, PIPE_BYTES,
		                                          SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
		if (n <= 0)
			return n;
		p->in_pipe = (size_t)n;
	}
}

static ssize_t down(struct pair *p)
{
	if (p->pipe[0] < 0) {
		ssize_t n = copy(&p->server, &p->client, p->down, &p->held_down);
		if (n != BUFFER)
			return n;
		if (pipe2(p->pipe, O_NONBLOCK | O_CLOEXEC) < 0 || fcntl(p->pipe[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
			die("pipe");
	}
	while (p->held_down) { /* what was copied goes first */
		const bool more = p->server.readable;
		p->server.readable = false;
		ssize_t n = copy(&p->server, &p->client, p->down, &p->held_down);
		p->server.readable = more;
		if (n < 0 && p->held_down)
			return n;
	}
	return splice_on(p);
}

static void turn(struct pair *p)
{
	ssize_t n;

	if (p->dead)
		return;
	n = copy(&p->client, &p->server, p->up, &p->held_up);
	while (n == BUFFER)
		n = copy(&p->client, &p->server, p->up, &p->held_up);
	if (n == 0 || n == -2) {
		end_pair(p);
		return;
	}
	n = p->ended ? 0 : down(p);
	p->ended = n == 0;
	if (n == -2 || (p->ended && !p->held_down && !p->in_pipe))
		end_pair(p);
}

static void accept_all(int listener)
{
	for (int i = 0; i < BATCH; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		open_pair(fd);
	}
}

static void serve(int listener)
{
	struct epoll_event ev[BATCH];

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ev[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = NULL };
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev[0]) < 0)
		die("epoll");
	for (;;) {
		int n = epoll_wait(epoll_fd, ev, BATCH, -1);
		for (int i = 0; i < n; i++) {
			struct end *e = ev[i].data.ptr;
			if (!e) {
				accept_all(listener);
				continue;
			}
			e->readable |= (ev[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
			e->writable |= (ev[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
			turn(e->pair);
		}
		while (dead) {
			struct pair *p = dead;
			dead = p->next;
			free(p);
		}
	}
}

static uint16_t port(const char *text)
{
	return htons((uint16_t)strtoul(text, NULL, 10));
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	const int on = 1;

	if (argc != 4) {
		fprintf(stderr, "usage: splicer PORT BACKEND-PORT PROCESSES\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* splice knows no MSG_NOSIGNAL */
	here.sin_addr.s_addr = backend.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	here.sin_port = port(argv[1]);
	backend.sin_port = port(argv[2]);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(listener, 4096) < 0)
		die("listen");
	for (unsigned long left = strtoul(argv[3], NULL, 10); left > 1; left--)
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	serve(listener);
}
