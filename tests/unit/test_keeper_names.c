/* Names against a scripted DNS server in the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "log.h"
#include "names.h"

enum script { SILENT, NO_SUCH_NAME, SERVFAIL, ADDRESS };

static struct server {
	struct watch watch;
	int fd;
	uint16_t port;
	enum script script;
	uint8_t last_byte; /* of the address */
	unsigned questions;
} server;

static struct loop loop;
static struct conf conf;
static struct heritage heritage;
static char resolv_conf[] = "/tmp/regrelay-resolv-XXXXXX";
static struct names *names;

/* Answers an A question by the script; AAAA has no data. */
static void on_question(struct watch *w, uint32_t events)
{
	static const uint8_t answer_fixed[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0 };
	uint8_t m[512];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(w->fd, m, sizeof(m) - 32, 0, (struct sockaddr *)&from, &len);

	(void)events;
	assert_true(n > 12);
	server.questions++;
	if (server.script == SILENT)
		return;
	size_t end = 12;
	while (m[end])
		end += m[end] + 1u;
	const bool a = m[end + 2] == 1;
	end += 5;
	m[2] = 0x81; /* a response, recursion wanted and there */
	m[3] = server.script == NO_SUCH_NAME ? 0x83 : server.script == SERVFAIL ? 0x82 : 0x80;
	memset(m + 6, 0, 6); /* no records but the answer: also no EDNS */
	if (a && server.script == ADDRESS) {
		m[7] = 1;
		memcpy(m + end, answer_fixed, sizeof(answer_fixed));
		end += sizeof(answer_fixed);
		m[end++] = server.last_byte;
	}
	assert_int_equal(sendto(w->fd, m, end, 0, (struct sockaddr *)&from, len), (ssize_t)end);
}

static void server_open(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);

	server = (struct server){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
	assert_int_equal(bind(server.fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&sa, &len), 0);
	server.port = ntohs(sa.sin_port);
	assert_int_equal(loop_add(&loop, &server.watch, server.fd, EPOLLIN, on_question), 0);
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	server_open();
	memset(&conf, 0, sizeof(conf));
	conf.names[0] = "cp.test";
	conf.names_count = 1;
	heritage = (struct heritage){ .conf = &conf, .wakes = 2, .gen_index = 2 };
	heritage.wake_others[0] = -1;
	heritage.wake_others[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	heritage.shm = shm_open_anonymous(&e);
	heritage.stats = &heritage.shm->slot[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	names_free(names);
	names = NULL;
	loop_del(&server.watch);
	fd_close(&server.fd);
	fd_close(&heritage.wake_others[1]);
	shm_close(heritage.shm);
	loop_done(&loop);
	return 0;
}

static void start(void)
{
	const struct lookup_tuning tuning = { .resolv_conf = resolv_conf, .port = server.port };
	struct err e = { 0 };

	names = names_new(&loop, &heritage, &tuning, &e);
	assert_non_null(names);
}

static struct names_entry entry(void)
{
	struct names_entry e;

	assert_int_equal(names_read(&heritage.shm->names[2][0], &e), 0);
	return e;
}

static uint64_t lookups(void)
{
	return stats_get(&heritage.stats->names_resolved) + stats_get(&heritage.stats->names_failed);
}

/* Turns until so many lookups have ended; the ms it took. */
static uint64_t until_lookups(uint64_t n)
{
	const uint64_t began = clock_now_ms();

	while (lookups() < n) {
		assert_int_equal(loop_turn(&loop, 100), 0);
		assert_true(clock_now_ms() - began < 20000);
	}
	return clock_now_ms() - began;
}

static bool woken(void)
{
	uint64_t times;

	return read(heritage.wake_others[1], &times, sizeof(times)) == (ssize_t)sizeof(times);
}

static void assert_address(uint8_t last_byte)
{
	const struct names_entry e = entry();

	assert_int_equal(e.state, NAMES_GOOD);
	assert_int_equal(e.count, 1);
	assert_int_equal(e.address[0].family, 4);
	assert_memory_equal(e.address[0].bytes, ((uint8_t[]){ 10, 0, 0, last_byte }), 4);
}

static void test_resolves_and_follows(void **state)
{
	struct pollfd question = { .fd = server.fd, .events = POLLIN };
	const uint64_t began = clock_now_ms();

	(void)state;
	server.script = ADDRESS;
	server.last_byte = 1;
	start();
	assert_int_equal(entry().state, NAMES_PENDING);
	assert_int_equal(loop_turn(&loop, 0), 0);
	assert_int_equal(poll(&question, 1, 20000), 1); /* it is asked for at once */
	(void)until_lookups(1);
	assert_address(1);
	assert_true(woken());
	server.last_byte = 2;
	for (int i = 0; i < 50; i++) /* however often it is asked: once a second */
		names_ask(names);
	(void)until_lookups(2);
	assert_true(clock_now_ms() - began > 800);
	assert_address(2);
	assert_true(woken());
	assert_int_equal(server.questions, 4); /* A and AAAA, twice */
	assert_int_equal(stats_get(&heritage.stats->names_resolved), 2);
}

static void test_fails_and_is_found_later(void **state)
{
	(void)state;
	server.script = NO_SUCH_NAME;
	start();
	until_lookups(1);
	assert_int_equal(entry().state, NAMES_FAILED);
	assert_string_equal(entry().error, "no such name");
	assert_true(woken());
	server.script = ADDRESS;
	assert_true(until_lookups(2) < 5000); /* by itself */
	assert_address(0);
	assert_true(woken());
	assert_int_equal(stats_get(&heritage.stats->names_failed), 1);
}

static void test_keeps_the_last_good_answer(void **state)
{
	(void)state;
	server.script = ADDRESS;
	server.last_byte = 9;
	start();
	until_lookups(1);
	server.script = SERVFAIL;
	names_ask(names);
	until_lookups(2);
	assert_address(9);
	assert_string_equal(entry().error, "no DNS server can be reached, or all fail");
	assert_true(woken());
	until_lookups(3);
	assert_true(woken()); /* the same was written again: somebody may have read in the middle, and waits */
	server.script = ADDRESS;
	until_lookups(4);
	assert_address(9);
	assert_string_equal(entry().error, "");
}

static void test_a_silent_server_ends_in_an_error(void **state)
{
	(void)state;
	server.script = SILENT;
	start();
	uint64_t took = until_lookups(1);
	assert_true(took >= 2000 && took <= 12000);
	assert_int_equal(entry().state, NAMES_FAILED);
	assert_string_equal(entry().error, "no answer from the DNS server in time");
	assert_true(server.questions >= 4); /* it tried again */
}

static void test_no_server_at_all(void **state)
{
	(void)state;
	loop_del(&server.watch);
	fd_close(&server.fd); /* the port answers "unreachable" */
	start();
	assert_true(until_lookups(1) < 3000);
	assert_int_equal(entry().state, NAMES_FAILED);
	assert_non_null(strstr(entry().error, "DNS server"));
}

static void test_the_hosts_file_needs_no_server(void **state)
{
	(void)state;
	conf.names[0] = "localhost";
	start();
	until_lookups(1);
	assert_int_equal(entry().state, NAMES_GOOD);
	assert_int_equal(server.questions, 0);
}

static void test_a_successor_serves_what_was_known(void **state)
{
	const struct names_address old = { 4, { 10, 0, 0, 7 } };

	(void)state;
	names_publish(&heritage.shm->names[2][0], NAMES_GOOD, &old, 1, "", 5);
	server.script = SILENT;
	start();
	assert_address(7);
	until_lookups(1);
	assert_address(7);
}

static void test_stops_in_the_middle_of_lookups(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONF_NAMES; i++)
		conf.names[i] = i % 2 ? "cp.test" : "other.test";
	conf.names_count = CONF_NAMES;
	start();
	while (server.questions < 20)
		assert_int_equal(loop_turn(&loop, 100), 0);
	names_free(names);
	names = NULL;
	assert_null(loop.heap);
	assert_true(list_empty(&loop.queue));
	names_free(NULL);
}

static void test_many_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONF_NAMES; i++)
		conf.names[i] = "cp.test";
	conf.names_count = CONF_NAMES;
	server.script = ADDRESS;
	start();
	until_lookups(CONF_NAMES);
	assert_int_equal(stats_get(&heritage.stats->names_resolved), CONF_NAMES);
}

static int group_setup(void **state)
{
	static const char text[] = "nameserver 127.0.0.1\n";
	CLEANUP(close_p) int fd = mkstemp(resolv_conf);

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	return unlink(resolv_conf);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_resolves_and_follows),
		T(test_fails_and_is_found_later),
		T(test_keeps_the_last_good_answer),
		T(test_a_silent_server_ends_in_an_error),
		T(test_no_server_at_all),
		T(test_the_hosts_file_needs_no_server),
		T(test_a_successor_serves_what_was_known),
		T(test_stops_in_the_middle_of_lookups),
		T(test_many_names),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
