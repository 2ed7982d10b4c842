/* The tokens for connectivity proxies: what comes in one turn of the loop.  The token service is a listener of the test that
 * speaks no TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "cp_tokens.h"
#include "log.h"
#include "scratch.h"
#include "tls_server.h"

#define PATIENCE_MS 10000

static char none[] = "", name[] = "default", credentials[256], ca_file[64];
static struct conf_proxy proxy = { .name = name, .auth = CONF_AUTH_BEARER, .credentials = credentials, .token_file = none,
	                           .token_resource = none, .ca_file = ca_file };
static struct conf conf = { .proxies = 1, .proxy = { &proxy } };
static struct heritage heritage = { .conf = &conf };
static struct loop loop;
static struct watch wake;
static struct cp_tokens *tokens;
static SSL_CTX *ca;
static int service;

/* As the keeper does when a worker woke it. */
static void on_wake(struct watch *w, uint32_t events)
{
	uint64_t times;

	(void)events;
	assert_int_equal(read(w->fd, &times, sizeof(times)), sizeof(times));
	cp_tokens_look(tokens);
}

static void listen_for_it(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	char text[256];

	service = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(service, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(service, 8), 0);
	assert_int_equal(getsockname(service, (struct sockaddr *)&sa, &len), 0);
	(void)snprintf(text, sizeof(text), "{\"clientid\":\"c\",\"clientsecret\":\"s\",\"url\":\"https://localhost:%u\"}", ntohs(sa.sin_port));
	(void)snprintf(credentials, sizeof(credentials), "%s", scratch("binding", text));
}

static int setup(void **state)
{
	static const struct tls_server_options o = { .dns = "localhost" };
	struct err e;

	if (scratch_setup(state) < 0 || loop_init(&loop) < 0)
		return -1;
	log_set_level(LOG_LEVEL_ERROR);
	ca = tls_server_new(&o);
	(void)snprintf(ca_file, sizeof(ca_file), "%s", tls_server_ca());
	listen_for_it();
	heritage.shm = shm_open_anonymous(&e);
	heritage.stats = &heritage.shm->slot[1];
	return loop_add(&loop, &wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, on_wake);
}

static int teardown(void **state)
{
	int fd = wake.fd;

	cp_tokens_stop(tokens);
	loop_del(&wake);
	if (loop_turn(&loop, 0) < 0)
		return -1;
	cp_tokens_free(tokens);
	(void)close(fd);
	(void)close(service);
	loop_done(&loop);
	shm_close(heritage.shm);
	tls_server_free(ca);
	return scratch_teardown(state);
}

/* Turns until the keeper has connected; the connection, of which something was read. */
static int until_asked(void)
{
	const uint64_t began = clock_now_ms();
	int fd = -1;
	char hello;

	while (fd < 0 || recv(fd, &hello, 1, MSG_DONTWAIT) != 1) {
		assert_int_equal(loop_turn(&loop, 100), 0);
		assert_true(clock_now_ms() - began < PATIENCE_MS);
		if (fd < 0)
			fd = accept4(service, NULL, NULL, SOCK_CLOEXEC);
	}
	return fd;
}

static void until_ms(uint64_t at_ms)
{
	while (clock_now_ms() < at_ms)
		assert_int_equal(loop_turn(&loop, 10), 0);
}

static void refuse(int fd)
{
	assert_int_equal(send(fd, "no TLS here\r\n", 13, MSG_NOSIGNAL), 13);
	assert_int_equal(close(fd), 0);
}

static uint64_t failed(void)
{
	return stats_get(&heritage.stats->tokens_failed);
}

static void until_failed(uint64_t n)
{
	const uint64_t began = clock_now_ms();

	while (failed() < n) {
		assert_int_equal(loop_turn(&loop, 100), 0);
		assert_true(clock_now_ms() - began < PATIENCE_MS);
	}
	assert_int_equal(failed(), n);
}

/* The answer and a worker's wake come in one turn, while the token is refused and a second has passed since the question: what
 * came is dealt with before anything else is asked. */
static void an_answer_and_a_refusal_in_one_turn(void **state)
{
	const uint64_t one = 1;
	struct token t = { .state = TOKEN_GOOD, .serial = 7, .until_ms = TOKEN_NEVER, .n = 3, .bytes = "abc" };
	struct token_entry *entry = &heritage.shm->token[0][0];
	struct err e;

	(void)state;
	token_publish(entry, &t);
	atomic_store(&entry->refused, 7);
	tokens = cp_tokens_new(&loop, &heritage, NULL, &e);
	assert_non_null(tokens);
	int fd = until_asked();
	until_ms(clock_now_ms() + CP_TOKENS_PAUSE_MS + 100);
	refuse(fd);
	assert_int_equal(write(wake.fd, &one, sizeof(one)), sizeof(one));
	until_failed(1);
	fd = until_asked();
	assert_int_equal(failed(), 1);
	refuse(fd);
	until_failed(2);
	assert_int_equal(token_read(entry, &t), 0);
	assert_non_null(strstr(t.error, "speaks no TLS on this port"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_and_a_refusal_in_one_turn, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
