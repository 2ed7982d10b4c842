/* The plain transport over a socket pair: readiness remembered, ends and errors told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport.h"

static struct loop loop;
static struct transport t;
static unsigned told;
static int peer;

static void on_ready(struct transport *which)
{
	assert_ptr_equal(which, &t);
	told++;
}

static int setup(void **state)
{
	int fd[2];

	(void)state;
	if (loop_init(&loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		return -1;
	told = 0;
	peer = fd[1];
	return transport_open_plain(&t, &loop, fd[0], on_ready);
}

static int teardown(void **state)
{
	(void)state;
	transport_close(&t);
	transport_close(&t);
	assert_int_equal(t.fd, -1);
	fd_close(&peer);
	loop_done(&loop);
	return 0;
}

static void turn(void)
{
	assert_int_equal(loop_turn(&loop, 0), 0);
}

static void test_reads_until_nothing_is_left(void **state)
{
	char got[8];

	(void)state;
	turn();
	assert_int_equal(told, 1); /* room to write is news too */
	assert_true(t.writable);
	assert_false(t.readable);
	assert_int_equal(send(peer, "hello", 5, 0), 5);
	turn();
	assert_true(t.readable);
	assert_int_equal(transport_read(&t, got, 3), 3);
	assert_true(t.readable);
	assert_int_equal(transport_read(&t, got, 3), 2);
	assert_false(t.readable); /* a short read, and no end was announced */
	assert_int_equal(transport_read(&t, got, 3), -EAGAIN);
	assert_int_equal(send(peer, "abc", 3, 0), 3);
	turn();
	assert_int_equal(transport_read(&t, got, 3), 3);
	assert_true(t.readable); /* what was asked for: there may be more */
	assert_int_equal(transport_read(&t, got, 3), -EAGAIN);
	assert_false(t.readable);
	turn();
	unsigned before = told;
	turn();
	assert_int_equal(told, before); /* edge-triggered: silence */
}

static void test_the_end_of_the_peer(void **state)
{
	char got[8];

	(void)state;
	assert_int_equal(send(peer, "x", 1, 0), 1);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	turn();
	assert_true(t.peer_closed);
	assert_false(t.failed);
	assert_int_equal(transport_read(&t, got, sizeof(got)), 1);
	assert_true(t.readable); /* no edge will tell of the end again */
	assert_int_equal(transport_read(&t, got, sizeof(got)), 0);
	assert_int_equal(transport_write(&t, "still", 5), 5);
}

static void test_a_peer_that_is_gone(void **state)
{
	(void)state;
	fd_close(&peer);
	turn();
	assert_true(t.failed && t.readable && t.writable);
	assert_int_equal(transport_write(&t, "x", 1), -EPIPE); /* and no SIGPIPE */
}

static void test_a_full_peer(void **state)
{
	static char bulk[65536], got[65536];
	const struct iovec part[2] = { { bulk, sizeof(bulk) }, { bulk, sizeof(bulk) } };
	ssize_t n;
	size_t sent = 0;

	(void)state;
	turn();
	while ((n = transport_writev(&t, part, 2)) > 0)
		sent += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	assert_false(t.writable);
	while (sent > 0) {
		n = recv(peer, got, sizeof(got), 0);
		assert_true(n > 0);
		sent -= (size_t)n;
	}
	turn();
	assert_true(t.writable);
}

static void test_open_fails_and_leaves_the_descriptor(void **state)
{
	struct transport other;
	int fd = dup(0), closed = dup(0);

	(void)state;
	(void)close(closed);
	assert_int_equal(transport_open_plain(&other, &loop, closed, on_ready), -EBADF);
	assert_int_equal(other.fd, -1);
	transport_close(&other);
	assert_int_equal(close(fd), 0);
}

static void test_reset_is_no_clean_end(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	struct transport tcp;
	char got[4];

	(void)state;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, len), 0);
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_equal(transport_open_plain(&tcp, &loop, fd, on_ready), 0);
	transport_reset(&tcp);
	transport_reset(&tcp);
	assert_int_equal(recv(client, got, sizeof(got), 0), -1);
	assert_int_equal(errno, ECONNRESET);
	(void)close(client);
	(void)close(listener);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reads_until_nothing_is_left), T(test_the_end_of_the_peer), T(test_a_peer_that_is_gone),
		T(test_a_full_peer),                 T(test_open_fails_and_leaves_the_descriptor),
		T(test_reset_is_no_clean_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
