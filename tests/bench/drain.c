/* drain: clients that cost little: ask for one target over and over, throw the bodies away, look at their lengths.
 *   drain PORT TARGET LENGTH CONNECTIONS REQUESTS SECONDS [idle|held]
 * REQUESTS answers over CONNECTIONS kept connections to 127.0.0.1; bodies are dropped in the kernel (MSG_TRUNC).  Prints
 * {"answers": N, "bytes": N, "seconds": S}.  Any answer other than 200 with Content-Length: LENGTH and so many bytes ends it
 * with status 1; SECONDS is a bound (SIGALRM).  idle: in the end prints "ready" and keeps the connections.  held: when all have
 * asked prints "asked", and reads nothing before SIGUSR1. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD  16384
#define GULP  (1024 * 1024)
#define BATCH 64

struct client {
	int fd;
	bool busy;          /* a request is under way */
	uint64_t left;      /* of the body, once the head was read */
	size_t head;        /* bytes of head read; HEAD_READ = all of it */
	char bytes[HEAD + 1];
};
#define HEAD_READ SIZE_MAX

static int epoll_fd;
static char request[8192];
static size_t request_length;
static uint64_t length, to_ask, to_come, bytes;
static char scratch[GULP]; /* never written: the kernel drops what would go there */

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "drain: %s: %s\n", what, detail);
	exit(1);
}

static void ask(struct client *c)
{
	c->busy = to_ask > 0;
	if (!c->busy)
		return;
	to_ask--;
	c->head = 0;
	if (send(c->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
		fail("send", strerror(errno));
}

static void open_client(struct client *c, uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
		                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	const int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect", strerror(errno));
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		fail("epoll", strerror(errno));
}

/* The head is whole, `end` bytes of it: is it the one that was wanted? */
static void look(const char *head, size_t end)
{
	char *field = strcasestr(head, "\ncontent-length:");

	if (strncmp(head, "HTTP/1.1 200 ", 13) != 0)
		fail("answer", head);
	if (!field || field > head + end || strtoull(field + 16, NULL, 10) != length)
		fail("length", head);
}

/* False: nothing there now. */
static bool read_head(struct client *c)
{
	ssize_t n = recv(c->fd, c->bytes + c->head, HEAD - c->head, 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		fail("head", n == 0 ? "end of file" : strerror(errno));
	c->head += (size_t)n;
	c->bytes[c->head] = 0;
	const char *end = strstr(c->bytes, "\r\n\r\n");
	if (!end)
		return true;
	const size_t head = (size_t)(end - c->bytes) + 4, body = c->head - head;
	look(c->bytes, head);
	if (body > length)
		fail("body", "longer than its length");
	bytes += body;
	c->left = length - body;
	c->head = HEAD_READ;
	return true;
}

static bool read_body(struct client *c)
{
	ssize_t n = recv(c->fd, scratch, c->left < GULP ? (size_t)c->left : GULP, MSG_TRUNC);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		fail("body", n == 0 ? "end of file" : strerror(errno));
	bytes += (uint64_t)n;
	c->left -= (uint64_t)n;
	return true;
}

static void on_event(struct client *c)
{
	if (!c->busy)
		fail("idle connection", "closed, or bytes that nobody asked for");
	while (c->head != HEAD_READ)
		if (!read_head(c))
			return;
	while (c->left)
		if (!read_body(c))
			return;
	to_come--;
	ask(c);
}

static double seconds_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(void)
{
	struct epoll_event ev[BATCH];

	while (to_come) {
		int n = epoll_wait(epoll_fd, ev, BATCH, -1);
		for (int i = 0; i < n; i++)
			on_event(ev[i].data.ptr);
	}
}

static void say(const char *word)
{
	printf("%s\n", word);
	(void)fflush(stdout);
}

static void wait_for_leave(const sigset_t *usr1)
{
	int number;

	say("asked");
	(void)sigwait(usr1, &number);
}

int main(int argc, char **argv)
{
	const char *mode = argc == 8 ? argv[7] : "";
	const bool idle = strcmp(mode, "idle") == 0, held = strcmp(mode, "held") == 0;
	sigset_t usr1;

	if (argc != 7 && !(argc == 8 && (idle || held))) {
		fprintf(stderr, "usage: drain PORT TARGET LENGTH CONNECTIONS REQUESTS SECONDS [idle|held]\n");
		return 2;
	}
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &usr1, NULL);
	const uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
	const size_t count = strtoull(argv[4], NULL, 10);
	length = strtoull(argv[3], NULL, 10);
	to_ask = to_come = strtoull(argv[5], NULL, 10);
	(void)alarm((unsigned)strtoul(argv[6], NULL, 10));
	request_length = (size_t)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", argv[2],
	                                  port);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct client *clients = calloc(count, sizeof(*clients));
	if (request_length >= sizeof(request) || epoll_fd < 0 || !clients)
		fail("start", "no memory, or a target that is too long");
	const double begin = seconds_now();
	for (size_t i = 0; i < count; i++) {
		open_client(&clients[i], port);
		ask(&clients[i]);
	}
	if (held)
		wait_for_leave(&usr1);
	run();
	printf("{\"answers\": %s, \"bytes\": %" PRIu64 ", \"seconds\": %.6f}\n", argv[5], bytes, seconds_now() - begin);
	if (idle) {
		say("ready");
		(void)pause(); /* until a signal ends it */
	}
	free(clients);
	return 0;
}
