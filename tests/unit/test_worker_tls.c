/* Sessions that begin with a byte of TLS, over loopback connections; the client's side is our own TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arrive.h"
#include "clock.h"
#include "log.h"
#include "session.h"
#include "tls_server.h"
#include "tls_transport.h"
#include "worker_double.h"

#define REQUEST "GET /v2/team/app/manifests/t1 HTTP/1.1\r\nHost: localhost:8443\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: now\r\n\r\n"
#define GOT_MAX (4 << 20)

static char empty[] = "", name[] = "default";
static struct conf_proxy proxy = { .name = name, .header_budget = 25000, .stall_timeout = 30000 };
static struct conf_registry registry = { .name = name, .proxy = &proxy, .prefix = empty, .ns = empty, .match_host = empty };

static struct loop loop;
static struct conf conf;
static struct stats_slot stats;
static struct service service;
static struct pulls_table pulls;
static struct transport client;
static struct tls_context *client_context;
static struct tls_ticket ticket;
static SSL_CTX *ca;
static char got[GOT_MAX + 1];
static size_t got_n;
static int end; /* 0 = open, 1 = close_notify, -errno */

static void on_end(struct service *sv)
{
	(void)sv;
}

static void on_ready(struct transport *t)
{
	(void)t;
}

static int setup(void **state)
{
	static const struct tls_server_options o = { .dns = "relay.example" };
	char chain[4096], key[4096];
	struct err e;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	if (loop_init(&loop) < 0)
		return -1;
	ca = tls_server_new(&o);
	tls_server_leaf(&o, chain, key, sizeof(chain));
	conf = (struct conf){ .registries = 1, .registry = { &registry }, .default_registry = &registry };
	conf.listen = (struct conf_listen){ .head_timeout = 10000, .idle_timeout = 60000, .send_timeout = 300000, .head_size = 4096,
		                            .head_fields = 100, .max_connections = 100 };
	conf.listen.tls = tls_context_server(sv_str(chain), sv_str(key), &e);
	client_context = tls_context_client(tls_server_ca(), &e);
	stats = (struct stats_slot){ .beat_ms = 0 };
	client.fd = -1;
	service_init(&service, &loop, &conf, &stats, &pulls, NULL, on_end);
	return conf.listen.tls && client_context ? 0 : -1;
}

static void turns(unsigned n)
{
	while (n--) {
		arrive();
		assert_int_equal(loop_turn(&loop, 0), 0);
	}
	arrive();
}

static int teardown(void **state)
{
	(void)state;
	transport_close(&client);
	service_cut(&service);
	turns(2);
	assert_int_equal(service.count, 0);
	assert_int_equal(stats_get(&stats.client_active) + stats_get(&stats.client_idle), 0);
	assert_int_equal(service.heads.in_use + service.answers.in_use, 0);
	service_done(&service);
	double_reset();
	tls_ticket_free(&ticket);
	tls_context_free(TAKE(client_context));
	tls_context_free(TAKE(conf.listen.tls));
	tls_server_free(ca);
	loop_done(&loop);
	return 0;
}

static void dial(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	CLEANUP(close_p) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int small = 32768, on = 1;

	transport_close(&client);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	int ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(ours, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(connect(ours, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
	int theirs = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(theirs >= 0);
	(void)setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	(void)setsockopt(theirs, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* as the acceptor does */
	assert_int_equal(session_open(&service, theirs, (struct sockaddr *)&at, len), 0);
	assert_int_equal(transport_open_plain(&client, &loop, ours, on_ready), 0);
	got_n = 0;
	end = 0;
}

static void dial_tls(void)
{
	int r = -EAGAIN;

	dial();
	assert_int_equal(tls_begin_client(&client, client_context, "relay.example", &ticket), 0);
	for (int i = 0; i < 50 && r == -EAGAIN; i++) {
		r = tls_handshake(&client);
		turns(2);
	}
	if (r)
		fail_msg("%d: %s", r, tls_why(&client));
}

static void say(const char *text)
{
	assert_int_equal(transport_write(&client, text, strlen(text)), strlen(text));
	turns(3);
}

static const char *hear(void)
{
	ssize_t n = 1;

	turns(3);
	while (n > 0 && got_n < GOT_MAX) {
		n = transport_read(&client, got + got_n, GOT_MAX - got_n);
		got_n += n > 0 ? (size_t)n : 0;
	}
	if (n != -EAGAIN)
		end = n == 0 ? 1 : (int)n;
	got[got_n] = '\0';
	return got;
}

static void until_end(void)
{
	const uint64_t give_up = clock_now_ms() + 10000;

	while (hear() && end == 0) {
		assert_true(clock_now_ms() < give_up);
		assert_int_equal(loop_turn(&loop, 20), 0);
	}
}

static struct session *only(void)
{
	assert_int_equal(service.count, 1);
	return list_entry(service.sessions.next, struct session, node);
}

/* --- both on one port --------------------------------------------------------------------------------------------- */

static void tls_by_the_first_byte(void **state)
{
	(void)state;
	double_instant = OK_HEAD "ok";
	dial_tls();
	assert_true(tls_is(&only()->client));
	say(REQUEST);
	assert_non_null(strstr(hear(), "\r\n\r\nok"));
	assert_ptr_equal(strstr(got, "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n"), got);
	say(REQUEST REQUEST); /* kept alive, and pipelined */
	for (int i = 0; i < 5; i++)
		(void)hear();
	const char *second = strstr(got + 10, "HTTP/1.1 200");
	assert_non_null(second);
	assert_non_null(strstr(second + 10, "HTTP/1.1 200"));
	assert_int_equal(double_sources, 3);
	assert_int_equal(stats_get(&stats.handshakes_full), 1);
	assert_int_equal(service.heads.in_use + service.answers.in_use, 0);
}

static void plain_beside_it(void **state)
{
	(void)state;
	double_instant = OK_HEAD "ok";
	dial();
	say("G"); /* one byte is enough to know */
	assert_int_equal(only()->state, SESSION_HEAD);
	say(&REQUEST[1]);
	assert_non_null(strstr(hear(), "\r\n\r\nok"));
	assert_false(tls_is(&only()->client));
	say("\x16"); /* too late for a greeting */
	assert_non_null(strstr(hear() + 10, "HTTP/1.1 400"));
}

static void no_certificate_no_tls(void **state)
{
	struct tls_context *kept = TAKE(conf.listen.tls);

	(void)state;
	dial();
	say("\x16\x03\x01");
	assert_non_null(strstr(hear(), "HTTP/1.1 400"));
	assert_int_equal(stats_get(&stats.rejected_tls), 1);
	conf.listen.tls = kept;
}

static void the_realm_says_https(void **state)
{
	(void)state;
	double_instant = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
	                 "WWW-Authenticate: Bearer realm=\"http://reg.corp/token\",service=\"s\"\r\n\r\n";
	dial_tls();
	say(REQUEST);
	assert_non_null(strstr(hear(), "realm=\"https://localhost:8443/_regrelay/token/default/"));
	dial();
	say(REQUEST);
	assert_non_null(strstr(hear(), "realm=\"http://localhost:8443/_regrelay/token/default/"));
}

static void tickets_are_good(void **state)
{
	(void)state;
	double_instant = OK_HEAD "ok";
	dial_tls();
	say(REQUEST);
	(void)hear(); /* the ticket comes along */
	dial_tls();
	assert_true(tls_resumed(&client));
	assert_int_equal(stats_get(&stats.handshakes_full), 1);
	assert_int_equal(stats_get(&stats.handshakes_resumed), 1);
}

/* --- handshakes that fail ----------------------------------------------------------------------------------------- */

static void garbage_after_the_first_byte(void **state)
{
	(void)state;
	dial();
	say("\x16GET / HTTP/1.1\r\n\r\n");
	until_end();
	turns(2);
	assert_int_equal(service.count, 0);
	assert_int_equal(stats_get(&stats.handshakes_failed), 1);
	assert_int_equal(double_sources, 0);
}

static void gone_within_the_handshake(void **state)
{
	(void)state;
	dial();
	say("\x16\x03");
	assert_int_equal(only()->state, SESSION_HANDSHAKE);
	assert_string_equal(session_waits_for(only()), "the client to go on with the TLS handshake");
	transport_close(&client);
	turns(3);
	assert_int_equal(service.count, 0);
	assert_int_equal(stats_get(&stats.handshakes_failed), 1);
}

static void one_that_stalls_ends_by_head_timeout(void **state)
{
	(void)state;
	conf.listen.head_timeout = 100;
	dial();
	say("\x16\x03\x01");
	until_end();
	assert_int_equal(end, 1);
	turns(2);
	assert_int_equal(service.count, 0);
	assert_int_equal(stats_get(&stats.handshakes_failed), 1);
}

static void silence_after_the_handshake_ends_by_the_same(void **state)
{
	(void)state;
	conf.listen.head_timeout = 2500; /* a busy machine's handshake ends before */
	dial_tls();
	assert_int_equal(only()->state, SESSION_HELLO);
	until_end();
	assert_int_equal(end, 1);
	assert_int_equal(stats_get(&stats.handshakes_failed), 0);
}

/* --- bodies and ends ---------------------------------------------------------------------------------------------- */

static void large_bodies_are_copied_whole(void **state)
{
	enum { BYTES = 1 << 20 };
	static char body[BYTES + 1], head[100];

	(void)state;
	for (size_t i = 0; i < BYTES; i++)
		body[i] = (char)('a' + i * 31 % 23);
	(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nDate: now\r\n\r\n", BYTES);
	dial_tls();
	assert_false(transport_splices_to(&only()->client)); /* there is no kTLS here */
	say(REQUEST);
	struct double_source *d = double_source[0];
	double_answer(d, head, "", false);
	double_more(d, body, BYTES, true);
	for (unsigned i = 0; got_n < strlen(head) + BYTES && i < 100000; i++)
		(void)hear();
	const char *from = strstr(got, "\r\n\r\n") + 4;
	assert_int_equal(strlen(from), BYTES);
	assert_memory_equal(from, body, BYTES);
	assert_int_equal(stats_get(&stats.client_bytes_out), got_n);
}

static void a_body_that_breaks_off_has_no_clean_end(void **state)
{
	(void)state;
	dial_tls();
	say(REQUEST);
	double_answer(double_source[0], "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "half", false);
	assert_non_null(strstr(hear(), "\r\n\r\nhalf"));
	double_cut(double_source[0]);
	until_end();
	assert_int_equal(end, -ECONNRESET);
}

static void the_last_answer_ends_with_a_close_notify(void **state)
{
	(void)state;
	double_instant = OK_HEAD "ok";
	dial_tls();
	service_drain(&service);
	say(REQUEST);
	assert_non_null(strstr(hear(), "Connection: close"));
	assert_int_equal(end, 1);
	assert_int_equal(only()->state, SESSION_LINGER);
}

static void drained_when_idle(void **state)
{
	(void)state;
	double_instant = OK_HEAD "ok";
	dial_tls();
	say(REQUEST);
	service_drain(&service);
	until_end(); /* after two seconds of silence */
	assert_int_equal(end, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(tls_by_the_first_byte), T(plain_beside_it), T(no_certificate_no_tls), T(the_realm_says_https), T(tickets_are_good),
		T(garbage_after_the_first_byte), T(gone_within_the_handshake), T(one_that_stalls_ends_by_head_timeout),
		T(silence_after_the_handshake_ends_by_the_same), T(large_bodies_are_copied_whole),
		T(a_body_that_breaks_off_has_no_clean_end), T(the_last_answer_ends_with_a_close_notify), T(drained_when_idle),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
