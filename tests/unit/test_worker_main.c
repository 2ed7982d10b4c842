/* A worker process as the master sees it: READY, KICK, DRAIN, the master's end, TERM; what it leaves in its slot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "msg.h"
#include "upstream.h"
#include "worker.h"
#include "worker_double.h"

#define WAIT_MS 10000

/* The doubles of upstream.h tell the test through these. */
struct told {
	_Atomic unsigned names, drains, frees;
};
static struct told *told;
static bool upstream_fails;

struct upstream {
	int unused;
};
static struct upstream the_upstream;

struct upstream *upstream_new(struct loop *l, const struct heritage *h, struct err *reterr)
{
	(void)l;
	(void)h;
	if (!upstream_fails)
		return &the_upstream;
	(void)err_set(reterr, -ENOMEM, "no upstream today");
	return NULL;
}

void upstream_free(struct upstream *u)
{
	(void)u;
	told->frees++;
}

void upstream_news(struct upstream *u)
{
	(void)u;
	told->names++;
}

void upstream_limit_pipes(struct upstream *u, unsigned max)
{
	(void)u;
	(void)max;
}

void upstream_drain(struct upstream *u)
{
	(void)u;
	told->drains++;
}

static char empty[] = "", name[] = "default";
static struct conf_proxy proxy = { .name = name, .header_budget = 25000, .stall_timeout = 30000 };
static struct conf_registry registry = { .name = name, .proxy = &proxy, .prefix = empty, .ns = empty, .match_host = empty };

struct fixture {
	struct shm *shm;
	struct conf conf;
	struct heritage h;
	struct sockaddr_in at;
	int channel, client;
	pid_t pid;
};

static void open_listener(struct fixture *f)
{
	socklen_t len = sizeof(f->at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	f->at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)&f->at, sizeof(f->at)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&f->at, &len), 0);
	f->h.listen_fd[0] = fd;
	f->h.listeners = 1;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e;

	log_set_level(LOG_LEVEL_ERROR);
	f->shm = shm_open_anonymous(&e);
	assert_non_null(f->shm);
	told = (struct told *)(void *)&f->shm->slot[9]; /* any shared page does */
	f->conf.listen = (struct conf_listen){ .head_timeout = 10000, .idle_timeout = 60000, .send_timeout = 300000,
		                               .head_size = 4096, .head_fields = 100, .max_connections = 100 };
	f->conf.master = (struct conf_master){ .workers = 1, .drain_timeout = 60000 };
	f->conf.registry[0] = &registry;
	f->conf.default_registry = &registry;
	f->conf.registries = 1;
	f->h = (struct heritage){ .conf = &f->conf, .shm = f->shm, .stats = &f->shm->slot[1], .slot = 1, .generation = 3,
		                  .master_pid = getpid(), .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	f->client = -1;
	open_listener(f);
	upstream_fails = false;
	double_instant = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	*state = f;
	return 0;
}

static void spawn(struct fixture *f)
{
	assert_int_equal(msg_pair(&f->channel, &f->h.channel_fd), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		(void)close(f->channel);
		_exit(worker_main(&f->h));
	}
	fd_close(&f->h.channel_fd);
	fd_close(&f->h.listen_fd[0]);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1;
}

static void expect_message(struct fixture *f, enum msg_type type, struct msg *m)
{
	assert_true(readable(f->channel));
	assert_int_equal(msg_receive(f->channel, MSG_FROM_CHILD, 3, m), 1);
	assert_int_equal(m->head.type, type);
}

static void ready(struct fixture *f)
{
	struct msg m;

	spawn(f);
	expect_message(f, MSG_READY, &m);
}

static void tell(struct fixture *f, enum msg_type type, uint64_t deadline_ms)
{
	struct msg m = { .head = { .type = (uint16_t)type, .generation = 3 }, .u.drain.deadline_ms = deadline_ms };

	assert_int_equal(msg_send(f->channel, &m), 0);
}

static void expect_exit(struct fixture *f, int status)
{
	const uint64_t give_up = clock_now_ms() + WAIT_MS;
	int got;

	/* The channel's end tells when; then the process is there to be reaped. */
	while (f->channel >= 0 && clock_now_ms() < give_up) {
		char bytes[512];
		assert_true(readable(f->channel));
		if (recv(f->channel, bytes, sizeof(bytes), MSG_DONTWAIT) == 0)
			break;
	}
	assert_int_equal(waitpid(f->pid, &got, 0), f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(got));
	assert_int_equal(WEXITSTATUS(got), status);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid > 0) {
		(void)kill(f->pid, SIGKILL);
		(void)waitpid(f->pid, NULL, 0);
	}
	fd_close(&f->channel);
	fd_close(&f->client);
	fd_close(&f->h.wake_fd);
	fd_close(&f->h.listen_fd[0]);
	shm_close(f->shm);
	free(f);
	return 0;
}

static bool dial(struct fixture *f)
{
	f->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(f->client, (struct sockaddr *)&f->at, sizeof(f->at)) == 0;
}

/* Sends text and returns what comes first; "" = the end. */
static const char *ask(struct fixture *f, const char *text)
{
	static char got[8192];

	assert_int_equal(send(f->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	assert_true(readable(f->client));
	ssize_t n = recv(f->client, got, sizeof(got) - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	return got;
}

#define HALF       "GET /v2/ HTTP/1.1\r\n"
#define OTHER_HALF "Host: h\r\n\r\n"
#define PING       HALF OTHER_HALF

/* Returns when the worker has it. */
static void say_half(struct fixture *f)
{
	const uint64_t before = stats_get(&f->h.stats->client_bytes_in);

	assert_int_equal(send(f->client, HALF, strlen(HALF), MSG_NOSIGNAL), strlen(HALF));
	while (stats_get(&f->h.stats->client_bytes_in) == before)
		(void)poll(NULL, 0, 1);
}

static void serves_then_drains(void **state)
{
	struct fixture *f = *state;
	struct msg m;

	ready(f);
	assert_true(stats_get(&f->h.stats->beat_ms) > 0);
	assert_true(dial(f));
	const char *got = ask(f, PING);
	assert_true(sv_starts(sv_str(got), SV("HTTP/1.1 200 OK\r\n")) && sv_ends(sv_str(got), SV("\r\n\r\nok")));
	assert_int_equal(stats_get(&f->h.stats->sessions), 1);
	assert_int_equal(stats_get(&f->h.stats->client_accepted), 1);
	tell(f, MSG_KICK, 0);
	assert_true(sv_starts(sv_str(ask(f, PING)), SV("HTTP/1.1 200 OK\r\n")));
	say_half(f); /* else it would be closed after two seconds of silence */
	tell(f, MSG_DRAIN, clock_now_ms() + 60000);
	expect_message(f, MSG_CLOSED, &m);
	assert_int_equal(told->drains, 1);
	got = ask(f, OTHER_HALF);
	assert_non_null(strstr(got, "Connection: close\r\n"));
	fd_close(&f->client);
	expect_message(f, MSG_DRAINED, &m);
	assert_int_equal(m.u.drained.cut, 0);
	expect_exit(f, EXITCODE_OK);
	assert_int_equal(told->frees, 1);
	assert_int_equal(stats_get(&f->h.stats->sessions), 0);
	assert_false(dial(f));
}

static void drain_deadline_cuts(void **state)
{
	struct fixture *f = *state;
	struct msg m;

	double_instant = NULL; /* the answer never comes */
	ready(f);
	assert_true(dial(f));
	assert_int_equal(send(f->client, PING, strlen(PING), 0), strlen(PING));
	while (stats_get(&f->h.stats->client_active) == 0)
		(void)poll(NULL, 0, 1);
	tell(f, MSG_DRAIN, clock_now_ms() + 30);
	expect_message(f, MSG_CLOSED, &m);
	expect_message(f, MSG_DRAINED, &m);
	assert_int_equal(m.u.drained.cut, 1);
	expect_exit(f, EXITCODE_OK);
	assert_int_equal(stats_get(&f->h.stats->aborted_relay), 1);
	char byte;
	assert_int_equal(recv(f->client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void drain_now(void **state)
{
	struct fixture *f = *state;
	struct msg m;

	ready(f);
	assert_true(dial(f));
	assert_true(ask(f, PING)[0] != '\0');
	tell(f, MSG_DRAIN, 0);
	expect_message(f, MSG_CLOSED, &m);
	expect_message(f, MSG_DRAINED, &m);
	expect_exit(f, EXITCODE_OK);
}

static void end_of_the_master_is_a_drain(void **state)
{
	struct fixture *f = *state;
	char byte;

	ready(f);
	assert_true(dial(f));
	assert_true(ask(f, PING)[0] != '\0');
	fd_close(&f->channel);
	/* The idle client is closed after a short silence, then nothing keeps the worker. */
	assert_true(readable(f->client));
	assert_int_equal(recv(f->client, &byte, 1, 0), 0);
	expect_exit(f, EXITCODE_OK);
}

static void term_is_a_drain_int_and_hup_are_nothing(void **state)
{
	struct fixture *f = *state;

	ready(f);
	assert_int_equal(kill(f->pid, SIGINT), 0);
	assert_int_equal(kill(f->pid, SIGHUP), 0);
	assert_true(dial(f));
	assert_true(ask(f, PING)[0] != '\0');
	fd_close(&f->client);
	assert_int_equal(kill(f->pid, SIGTERM), 0);
	expect_exit(f, EXITCODE_OK);
}

static void wake_up_reaches_the_upstream_side(void **state)
{
	struct fixture *f = *state;
	const uint64_t one = 1;

	ready(f);
	assert_int_equal(write(f->h.wake_fd, &one, sizeof(one)), sizeof(one));
	while (told->names == 0)
		(void)poll(NULL, 0, 1);
}

static void what_cannot_start_says_why(void **state)
{
	struct fixture *f = *state;
	struct msg m;

	upstream_fails = true;
	log_set_level(LOG_LEVEL_ERROR - 1);
	spawn(f);
	expect_message(f, MSG_REFUSED, &m);
	assert_string_equal(m.u.refused.reason, "no upstream today");
	expect_exit(f, EXITCODE_RESOURCE);
}

/* It has the listeners already, but not the clients in their queue. */
static void what_cannot_start_takes_no_client(void **state)
{
	struct fixture *f = *state;
	const int queue = dup(f->h.listen_fd[0]);
	struct msg m;
	int taken;

	assert_true(dial(f));
	f->h.master_pid = getppid(); /* not the one it will have */
	log_set_level(LOG_LEVEL_ERROR - 1);
	spawn(f);
	expect_message(f, MSG_REFUSED, &m);
	expect_exit(f, EXITCODE_RESOURCE);
	taken = accept(queue, NULL, NULL);
	assert_true(taken >= 0);
	assert_int_equal(close(taken), 0);
	assert_int_equal(close(queue), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(serves_then_drains), T(drain_deadline_cuts), T(drain_now), T(end_of_the_master_is_a_drain),
		T(term_is_a_drain_int_and_hup_are_nothing), T(wake_up_reaches_the_upstream_side),
		T(what_cannot_start_says_why), T(what_cannot_start_takes_no_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
