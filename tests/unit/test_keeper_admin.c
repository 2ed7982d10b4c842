/* The admin endpoint over real sockets: answers, garbage, limits, slow clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "arrive.h"
#include "clock.h"
#include "conf.h"

static struct loop loop;
static struct conf conf;
static struct conf_proxy proxy[CONF_PROXIES];
static struct heritage heritage;
static struct admin admin;
static struct sockaddr_in address;

static int setup(void **state)
{
	static char name[] = "a-rather-long-name-for-a-proxy";
	socklen_t len = sizeof(address);
	struct err e;

	(void)state;
	memset(&conf, 0, sizeof(conf));
	conf.admin.expose_health = conf.admin.expose_metrics = true;
	for (unsigned i = 0; i < CONF_PROXIES; i++) {
		proxy[i] = (struct conf_proxy){ .name = name, .index = i };
		conf.proxy[conf.proxies++] = &proxy[i];
	}
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	heritage = (struct heritage){ .conf = &conf, .shm = shm_open_anonymous(&e), .admins = 1, .admin_fd = { fd } };
	heritage.stats = &heritage.shm->slot[1];
	atomic_store(&heritage.shm->slots_used, 2);
	assert_int_equal(loop_init(&loop), 0);
	admin_init(&admin, &loop, &heritage);
	return admin_open(&admin, &e);
}

static void turn(int wait_ms)
{
	arrive();
	assert_int_equal(loop_turn(&loop, wait_ms), 0);
}

static int teardown(void **state)
{
	(void)state;
	admin_done(&admin);
	assert_int_equal(admin.clients.count, 0);
	turn(0);
	assert_null(loop.heap);
	loop_done(&loop);
	shm_close(heritage.shm);
	return close(heritage.admin_fd[0]);
}

static int client(int receive_buffer)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (receive_buffer)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, struct strview s)
{
	assert_int_equal(send(fd, s.p, s.n, MSG_NOSIGNAL), (ssize_t)s.n);
}

/* Turns until fd has ended, and closes it; what came is in answer.  0 = a clean end, else errno. */
static char answer[1 << 20];

static int hear(int fd)
{
	size_t n = 0;
	const uint64_t began = clock_now_ms();

	for (;;) {
		ssize_t r = recv(fd, answer + n, sizeof(answer) - 1 - n, MSG_DONTWAIT);
		if (r > 0) {
			n += (size_t)r;
			continue;
		}
		answer[n] = '\0';
		if (r == 0 || errno != EAGAIN) {
			int how = r == 0 ? 0 : errno;
			(void)close(fd);
			return how;
		}
		assert_true(clock_now_ms() - began < 10000);
		turn(10);
	}
}

static unsigned ask(const char *request)
{
	unsigned status = 0;
	int fd = client(0);

	say(fd, sv_str(request));
	assert_int_equal(hear(fd), 0);
	assert_int_equal(sscanf(answer, "HTTP/1.1 %u ", &status), 1);
	return status;
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_answers(void **state)
{
	(void)state;
	assert_int_equal(ask(GET("/livez")), 200);
	assert_non_null(strstr(answer, "\r\nContent-Length: 6\r\n"));
	assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\nalive\n"));
	assert_int_equal(ask("HEAD /livez HTTP/1.0\r\n\r\n"), 200);
	assert_non_null(strstr(answer, "\r\nContent-Length: 6\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(ask(GET("/readyz")), 503);
	assert_int_equal(ask(GET("/metrics")), 200);
	assert_non_null(strstr(answer, "\nregrelay_build_info{version=\""));
	assert_int_equal(ask(GET("/nothing")), 404);
	assert_int_equal(ask("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
	assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
	turn(10);
	assert_int_equal(admin.clients.count, 0);
}

static void test_garbage(void **state)
{
	static char big[5000];
	int fd;

	(void)state;
	assert_int_equal(ask("nonsense\r\n\r\n"), 400);
	assert_int_equal(ask("GET /livez HTTP/1.1\r\nHo st: x\r\n\r\n"), 400);
	assert_int_equal(ask("GET /livez HTTP/1.1\r\n\r\n"), 400); /* no Host */
	assert_int_equal(ask("GET /livez HTTP/3.0\r\n\r\n"), 505);
	assert_int_equal(ask("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), 413);
	assert_true(ask("\x16\x03\x01\x02") == 400);
	memset(big, 'a', sizeof(big));
	fd = client(0);
	say(fd, SV("GET /livez HTTP/1.1\r\nHost: x\r\nX: "));
	say(fd, sv_make(big, sizeof(big)));
	assert_int_equal(hear(fd), 0);
	assert_int_equal(strncmp(answer, "HTTP/1.1 431 ", 13), 0);
	fd = client(0);
	say(fd, SV("GET /li"));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(hear(fd), 0);
	assert_string_equal(answer, "");
	turn(10);
	assert_int_equal(admin.clients.count, 0);
}

static void test_byte_by_byte(void **state)
{
	static const char request[] = GET("/livez");
	int fd = client(0);

	(void)state;
	for (const char *p = request; *p; p++) {
		say(fd, sv_make(p, 1));
		turn(10);
	}
	assert_int_equal(hear(fd), 0);
	assert_non_null(strstr(answer, "alive"));
}

static void test_bytes_behind_the_request_do_not_cost_the_answer(void **state)
{
	static char junk[20000];
	int fd = client(0);

	(void)state;
	say(fd, SV(GET("/livez")));
	say(fd, sv_make(junk, sizeof(junk)));
	assert_int_equal(hear(fd), 0);
	assert_non_null(strstr(answer, "alive"));
}

static void test_silent_clients_make_room(void **state)
{
	int held[ADMIN_CLIENTS + 10];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = client(0);
		say(held[i], SV("GET /metr"));
	}
	assert_int_equal(ask(GET("/livez")), 200);
	assert_true(admin.clients.count <= ADMIN_CLIENTS);
	assert_int_equal(recv(held[0], answer, 1, MSG_DONTWAIT), -1); /* the oldest had to go */
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(recv(held[ARRAY_LEN(held) - 1], answer, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		(void)close(held[i]);
	turn(10);
	turn(10);
}

/* The sockets of one machine take a whole page, so the page must be larger than they are. */
static void grow_the_page(void)
{
	for (unsigned i = 0; i < CONF_PROXIES; i++)
		for (unsigned c = 0; c < STATS_CODE_COUNT; c++)
			stats_set(&heritage.stats->upstream[i].requests[c], UINT64_MAX / 4);
}

static unsigned pages_held(void)
{
	unsigned n = 0;

	list_for_each(it, &admin.clients.all)
		n++;
	return n;
}

static void test_slow_readers_do_not_fill_the_memory(void **state)
{
	int held[ADMIN_PAGES_MAX + 8];
	const int small = 2048;

	(void)state;
	grow_the_page();
	assert_int_equal(setsockopt(heritage.admin_fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = client(2048);
		say(held[i], SV(GET("/metrics")));
		turn(10);
		turn(10);
	}
	assert_int_equal(pages_held(), ADMIN_PAGES_MAX);
	assert_int_equal(ask(GET("/livez")), 200);
	assert_int_equal(hear(held[ARRAY_LEN(held) - 1]), 0); /* the newest gets it whole */
	assert_non_null(strstr(answer, "\nprocess_cpu_seconds_total "));
	assert_int_equal(hear(held[0]), ECONNRESET); /* the oldest does not take its part for the whole */
	for (size_t i = 1; i < ARRAY_LEN(held) - 1; i++)
		(void)close(held[i]);
}

static void test_close_takes_nobody_new_and_answers_all_others(void **state)
{
	const int small = 2048;
	struct err e;

	(void)state;
	grow_the_page();
	assert_int_equal(setsockopt(heritage.admin_fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	int waiting = client(0), reading = client(2048);
	say(reading, SV(GET("/metrics")));
	for (int i = 0; i < 5; i++)
		turn(10);
	admin_close(&admin);
	admin_close(&admin);
	int late = client(0);
	say(late, SV(GET("/livez")));
	assert_true(admin_clients_wait(&admin.clients));
	say(waiting, SV(GET("/livez")));
	assert_int_equal(hear(waiting), 0);
	assert_non_null(strstr(answer, "alive"));
	assert_int_equal(hear(reading), 0);
	assert_non_null(strstr(answer, "\nprocess_cpu_seconds_total "));
	assert_false(admin_clients_wait(&admin.clients));
	assert_int_equal(recv(late, answer, 1, MSG_DONTWAIT), -1); /* still in the queue: the next keeper's */
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(admin_open(&admin, &e), 0);
	assert_int_equal(admin_open(&admin, &e), 0);
	assert_int_equal(hear(late), 0);
	assert_non_null(strstr(answer, "alive"));
}

static void test_a_head_has_a_deadline(void **state)
{
	int fd = client(0);
	const uint64_t began = clock_now_ms();

	(void)state;
	say(fd, SV("GET /livez HTTP/1.1\r\n"));
	assert_int_equal(hear(fd), 0);
	assert_string_equal(answer, "");
	assert_true(clock_now_ms() - began >= 4900);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_answers),
		T(test_garbage),
		T(test_byte_by_byte),
		T(test_bytes_behind_the_request_do_not_cost_the_answer),
		T(test_silent_clients_make_room),
		T(test_slow_readers_do_not_fill_the_memory),
		T(test_close_takes_nobody_new_and_answers_all_others),
		T(test_a_head_has_a_deadline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
