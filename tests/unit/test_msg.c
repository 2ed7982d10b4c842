/* Messages between master and children: who may send what, and every malformed datagram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "msg.h"

static int master_fd, child_fd;

static int setup(void **state)
{
	(void)state;
	return msg_pair(&master_fd, &child_fd);
}

static int teardown(void **state)
{
	(void)state;
	(void)close(master_fd);
	(void)close(child_fd);
	return 0;
}

static void test_pair_is_cloexec_and_nonblocking(void **state)
{
	(void)state;
	assert_true(fcntl(master_fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(child_fd, F_GETFL) & O_NONBLOCK);
}

/* Each type, from the side that may and from the side that may not. */
static void test_who_may_send_what(void **state)
{
	static const struct {
		enum msg_type type;
		enum msg_side from;
	} rows[] = {
#define M(nr, name, who, payload) { MSG_##name, MSG_FROM_##who },
#include "msg.def"
#undef M
	};
	struct msg got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct msg m = { .head = { .type = (uint16_t)rows[i].type, .generation = 7 } };
		bool master = rows[i].from == MSG_FROM_MASTER;
		assert_int_equal(msg_send(master ? master_fd : child_fd, &m), 0);
		assert_int_equal(msg_receive(master ? child_fd : master_fd, rows[i].from, 7, &got), 1);
		assert_int_equal(got.head.type, rows[i].type);
		assert_string_not_equal(msg_name(got.head.type), "unknown");
		assert_int_equal(msg_send(master ? child_fd : master_fd, &m), 0);
		assert_int_equal(msg_receive(master ? master_fd : child_fd,
		                             master ? MSG_FROM_CHILD : MSG_FROM_MASTER, 7, &got), -EBADMSG);
	}
	assert_string_equal(msg_name(0), "unknown");
	assert_string_equal(msg_name(MSG_TYPES), "unknown");
	assert_string_equal(msg_name(65535), "unknown");
}

static void test_unknown_types_are_not_sent(void **state)
{
	static const uint16_t types[] = { 0, MSG_TYPES, 999, 65535 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct msg m = { .head.type = types[i] };
		assert_int_equal(msg_send(master_fd, &m), -EINVAL);
	}
}

static void send_raw(const void *bytes, size_t n)
{
	assert_int_equal(send(child_fd, bytes, n, 0), (ssize_t)n);
}

static void test_malformed_datagrams(void **state)
{
	struct {
		struct msg_head head;
		char payload[2048];
	} raw = { .head = { .abi = MSG_ABI, .type = MSG_REFUSED, .generation = 7 } };
	const size_t right = sizeof(struct msg_head) + sizeof(struct msg_refused);
	struct msg got = { .head.type = 4711 };

	(void)state;
	for (size_t n = 1; n < sizeof(raw); n++) { /* every length but the right one */
		if (n == right)
			continue;
		send_raw(&raw, n);
		assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 7, &got), -EBADMSG);
	}
	raw.head.abi = MSG_ABI + 1;
	send_raw(&raw, right);
	assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 7, &got), -EBADMSG);
	raw.head.abi = MSG_ABI;
	for (unsigned type = 0; type < 70000; type += type < 300 ? 1 : 1111) {
		if (type == MSG_REFUSED || type > 65535)
			continue;
		raw.head.type = (uint16_t)type;
		send_raw(&raw, right);
		assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 7, &got), -EBADMSG);
	}
	assert_int_equal(got.head.type, 4711); /* written only on success */
	assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 7, &got), -EAGAIN);
}

static void test_generations(void **state)
{
	struct msg m = { .head = { .type = MSG_READY, .generation = 6 } }, got;

	(void)state;
	assert_int_equal(msg_send(child_fd, &m), 0);
	assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 7, &got), -ESTALE);
	assert_int_equal(msg_send(child_fd, &m), 0);
	assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 0, &got), 1);
	assert_int_equal(got.head.generation, 6);
}

static void test_a_reason_is_always_terminated(void **state)
{
	struct msg m = { .head.type = MSG_REFUSED }, got;

	(void)state;
	memset(m.u.refused.reason, 'x', sizeof(m.u.refused.reason));
	m.u.refused.code = -EMFILE;
	assert_int_equal(msg_send(child_fd, &m), 0);
	assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 0, &got), 1);
	assert_int_equal(strlen(got.u.refused.reason), MSG_REASON_MAX - 1);
	assert_int_equal(got.u.refused.code, -EMFILE);
}

/* It goes to the service manager, to whom a line more would be another word. */
static void test_a_reason_is_one_line(void **state)
{
	struct msg m = { .head.type = MSG_REFUSED, .u.refused = { -EMFILE, "no room\nMAINPID=1\r\x7f\x1b[m\xc3\xa4" } }, got;

	(void)state;
	assert_int_equal(msg_send(child_fd, &m), 0);
	assert_int_equal(msg_receive(master_fd, MSG_FROM_CHILD, 0, &got), 1);
	assert_string_equal(got.u.refused.reason, "no room?MAINPID=1???[m\xc3\xa4");
}

static void test_a_full_queue_and_a_peer_that_is_gone(void **state)
{
	struct msg m = { .head.type = MSG_KICK }, got;
	int r, sent = 0;

	(void)state;
	while ((r = msg_send(master_fd, &m)) == 0)
		sent++;
	assert_int_equal(r, -EAGAIN);
	assert_true(sent > 3);
	(void)close(master_fd);
	for (int i = 0; i < sent; i++) /* what was sent before still comes */
		assert_int_equal(msg_receive(child_fd, MSG_FROM_MASTER, 0, &got), 1);
	assert_int_equal(msg_receive(child_fd, MSG_FROM_MASTER, 0, &got), 0);
	m.head.type = MSG_READY;
	assert_int_equal(msg_send(child_fd, &m), -EPIPE);
	master_fd = dup(child_fd);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_a_descriptor_comes_along(void **state)
{
	struct msg m = { .head = { .type = MSG_DOCTOR, .generation = 7 } }, got;
	int pair[2], passed = 4711;
	char byte = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(msg_send_fd(master_fd, &m, pair[0]), 0);
	assert_int_equal(msg_receive_fd(child_fd, MSG_FROM_MASTER, 7, &got, &passed), 1);
	assert_int_equal(got.head.type, MSG_DOCTOR);
	assert_true(passed >= 0 && passed != pair[0]);
	assert_true(fcntl(passed, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(send(passed, "x", 1, 0), 1);
	assert_int_equal(recv(pair[1], &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	(void)close(passed);
	assert_int_equal(msg_receive_fd(child_fd, MSG_FROM_MASTER, 7, &got, &passed), -EAGAIN);
	assert_int_equal(passed, -1);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* Whoever sends what nobody takes: nothing stays open. */
static void test_unwanted_descriptors_are_closed(void **state)
{
	struct msg m = { .head = { .type = MSG_KICK, .generation = 6 } }, got;
	const int before = open_fds();
	int passed;

	(void)state;
	assert_int_equal(msg_send_fd(master_fd, &m, child_fd), 0);
	assert_int_equal(msg_receive(child_fd, MSG_FROM_MASTER, 6, &got), 1);
	assert_int_equal(msg_send_fd(master_fd, &m, child_fd), 0);
	assert_int_equal(msg_receive_fd(child_fd, MSG_FROM_MASTER, 7, &got, &passed), -ESTALE);
	assert_int_equal(passed, -1);
	assert_int_equal(msg_send_fd(master_fd, &m, child_fd), 0);
	assert_int_equal(msg_receive_fd(child_fd, MSG_FROM_CHILD, 6, &got, &passed), -EBADMSG);
	assert_int_equal(passed, -1);
	assert_int_equal(open_fds(), before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pair_is_cloexec_and_nonblocking),
		T(test_who_may_send_what),
		T(test_unknown_types_are_not_sent),
		T(test_malformed_datagrams),
		T(test_generations),
		T(test_a_reason_is_always_terminated),
		T(test_a_reason_is_one_line),
		T(test_a_full_queue_and_a_peer_that_is_gone),
		T(test_a_descriptor_comes_along),
		T(test_unwanted_descriptors_are_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
