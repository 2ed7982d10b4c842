/* The keeper as the master sees it: messages, signals, and the end of the master. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "keeper.h"
#include "log.h"
#include "msg.h"

#define PATIENCE_MS 10000

static struct conf conf;
static struct heritage heritage;
static struct sockaddr_in address;
static int channel; /* the master's end */
static pid_t keeper;

static int setup(void **state)
{
	socklen_t len = sizeof(address);
	struct err e;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	memset(&conf, 0, sizeof(conf));
	conf.admin.expose_health = true;
	conf.names[0] = "localhost";
	conf.names_count = 1;
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	heritage = (struct heritage){
		.conf = &conf, .admin_fd = { fd }, .admins = 1, .slot = 1, .generation = 9, .gen_index = 4,
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.wake_others = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) }, .wakes = 1,
		.shm = shm_open_anonymous(&e), .master_pid = getpid(),
	};
	heritage.stats = &heritage.shm->slot[1];
	return msg_pair(&channel, &heritage.channel_fd);
}

static int teardown(void **state)
{
	(void)state;
	fd_close(&channel);
	fd_close(&heritage.channel_fd);
	fd_close(&heritage.admin_fd[0]);
	fd_close(&heritage.wake_fd);
	fd_close(&heritage.wake_others[0]);
	shm_close(heritage.shm);
	return 0;
}

static void spawn(void)
{
	keeper = fork();
	assert_true(keeper >= 0);
	if (keeper == 0) {
		fd_close(&channel);
		_exit(keeper_main(&heritage));
	}
	fd_close(&heritage.channel_fd);
}

static void readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static struct msg hear(void)
{
	struct msg m;

	readable(channel);
	assert_int_equal(msg_receive(channel, MSG_FROM_CHILD, 9, &m), 1);
	return m;
}

static void tell(enum msg_type type)
{
	struct msg m = { .head = { .type = (uint16_t)type, .generation = 9 } };

	assert_int_equal(msg_send(channel, &m), 0);
}

static int status_of_exit(void)
{
	int status;

	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void drain(void)
{
	tell(MSG_DRAIN);
	assert_int_equal(hear().head.type, MSG_DRAINED);
	assert_int_equal(status_of_exit(), 0);
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say_livez(int fd)
{
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
}

static int ask_livez(void)
{
	int fd = dial();

	say_livez(fd);
	return fd;
}

static void hear_alive(int fd)
{
	char text[32] = "";

	readable(fd);
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 12);
	assert_int_equal(strncmp(text, "HTTP/1.1 200", 12), 0);
	(void)close(fd);
}

static void test_a_life(void **state)
{
	struct names_entry e;
	char text[32] = "";

	(void)state;
	spawn();
	assert_int_equal(hear().head.type, MSG_READY);
	assert_true(stats_get(&heritage.stats->beat_ms) > 0);
	assert_true(stats_get(&heritage.stats->open_fds) > 3);
	readable(heritage.wake_others[0]); /* the name is there */
	tell(MSG_DOCTOR); /* without a client */
	assert_int_equal(names_read(&heritage.shm->names[4][0], &e), 0);
	assert_int_equal(e.state, NAMES_GOOD);
	int early = ask_livez(); /* before it serves: waits in the queue */
	tell(MSG_SERVE);
	hear_alive(early);
	tell(MSG_RETIRE);
	assert_int_equal(hear().head.type, MSG_CLOSED);
	tell(MSG_KICK); /* not for a keeper: ignored */
	drain();
	int late = ask_livez(); /* nobody accepts any more, but the listener is the master's and lives on */
	assert_int_equal(recv(late, text, sizeof(text), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	(void)close(late);
}

static void test_retired_it_accepts_no_more_and_beats_on(void **state)
{
	char text[8];

	(void)state;
	spawn();
	assert_int_equal(hear().head.type, MSG_READY);
	tell(MSG_SERVE);
	tell(MSG_RETIRE);
	assert_int_equal(hear().head.type, MSG_CLOSED);
	int fd = ask_livez();
	const uint64_t beat = stats_get(&heritage.stats->beat_ms);
	while (stats_get(&heritage.stats->beat_ms) == beat)
		(void)poll(NULL, 0, 10);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
	(void)close(fd);
	drain();
}

static void test_whom_it_has_accepted_it_answers_before_it_leaves(void **state)
{
	(void)state;
	spawn();
	assert_int_equal(hear().head.type, MSG_READY);
	tell(MSG_SERVE);
	int first = dial(), silent = dial();
	hear_alive(ask_livez()); /* so those before it have been accepted */
	tell(MSG_RETIRE);
	assert_int_equal(hear().head.type, MSG_CLOSED);
	say_livez(first);
	hear_alive(first);
	const uint64_t began = clock_now_ms();
	tell(MSG_DRAIN);
	assert_int_equal(hear().head.type, MSG_DRAINED);
	assert_true(clock_now_ms() - began >= 400); /* it waits for the silent one, but not for long */
	assert_int_equal(status_of_exit(), 0);
	(void)close(silent);
}

static void test_foreign_messages_are_ignored(void **state)
{
	static const char junk[600];
	struct msg stale = { .head = { .type = MSG_DRAIN, .generation = 8 } };

	(void)state;
	spawn();
	assert_int_equal(hear().head.type, MSG_READY);
	for (size_t n = 1; n < sizeof(junk); n += 7)
		assert_int_equal(send(channel, junk, n, MSG_NOSIGNAL), (ssize_t)n);
	assert_int_equal(msg_send(channel, &stale), 0);
	drain();
}

static void test_the_end_of_the_master(void **state)
{
	(void)state;
	spawn();
	assert_int_equal(hear().head.type, MSG_READY);
	fd_close(&channel);
	assert_int_equal(status_of_exit(), 0);
}

static void test_signals(void **state)
{
	(void)state;
	spawn();
	assert_int_equal(hear().head.type, MSG_READY);
	assert_int_equal(kill(keeper, SIGINT), 0);
	assert_int_equal(kill(keeper, SIGHUP), 0);
	tell(MSG_SERVE);
	int fd = ask_livez();
	readable(fd); /* INT and HUP are the master's */
	(void)close(fd);
	assert_int_equal(kill(keeper, SIGTERM), 0);
	assert_int_equal(status_of_exit(), 0);
}

static void test_a_master_that_died_before(void **state)
{
	struct msg m;

	(void)state;
	heritage.master_pid = 1 + getpid();
	spawn();
	assert_int_equal(status_of_exit(), 0);
	assert_int_equal(msg_receive(channel, MSG_FROM_CHILD, 9, &m), 0);
}

static void test_what_it_cannot_do_without(void **state)
{
	(void)state;
	heritage.wake_fd = -1;
	spawn();
	struct msg m = hear();
	assert_int_equal(m.head.type, MSG_REFUSED);
	assert_int_equal(m.u.refused.code, -EBADF);
	assert_non_null(strstr(m.u.refused.reason, "event loop"));
	assert_int_equal(status_of_exit(), 71);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_life),
		T(test_retired_it_accepts_no_more_and_beats_on),
		T(test_whom_it_has_accepted_it_answers_before_it_leaves),
		T(test_foreign_messages_are_ignored),
		T(test_the_end_of_the_master),
		T(test_signals),
		T(test_a_master_that_died_before),
		T(test_what_it_cannot_do_without),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
