/* Sessions over loopback connections, with a source that the test fills by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "arrive.h"
#include "clock.h"
#include "log.h"
#include "session.h"
#include "worker_double.h"

#define MANIFEST "/v2/team/app/manifests/t1"
#define REQUEST  "GET " MANIFEST " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define GOT_MAX  (4 << 20)

static char empty[] = "", name[] = "default", ns[] = "reg.io";
static struct conf_proxy proxy = { .name = name, .header_budget = 25000, .stall_timeout = 30000 };
static struct conf_registry registry = { .name = name, .proxy = &proxy, .prefix = empty, .ns = ns, .match_host = empty };

struct fixture {
	struct loop loop;
	struct conf conf;
	struct stats_slot stats;
	struct service service;
	struct pulls_table pulls;
	int client;      /* the peer's side; -1 = closed */
	char *got;
	size_t got_n;
	int end;         /* 0 = open, 1 = FIN, -errno */
	unsigned ended;
};

static struct fixture *current;

static void on_end(struct service *sv)
{
	(void)sv;
	current->ended++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	current = f;
	log_set_level(LOG_LEVEL_ERROR);
	f->client = -1;
	f->got = malloc(GOT_MAX + 1);
	f->conf.listen = (struct conf_listen){ .head_timeout = 10000, .idle_timeout = 60000, .send_timeout = 300000,
		                               .head_size = 4096, .head_fields = 100, .max_connections = 100 };
	f->conf.log.access = true;
	f->conf.registry[0] = &registry;
	f->conf.default_registry = &registry;
	f->conf.registries = 1;
	assert_int_equal(loop_init(&f->loop), 0);
	service_init(&f->service, &f->loop, &f->conf, &f->stats, &f->pulls, NULL, on_end);
	*state = f;
	return 0;
}

static void turns(struct fixture *f, unsigned n)
{
	while (n--) {
		arrive();
		assert_int_equal(loop_turn(&f->loop, 0), 0);
	}
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	service_cut(&f->service);
	turns(f, 2);
	assert_int_equal(f->service.count, 0);
	assert_int_equal(stats_get(&f->stats.sessions), 0);
	assert_int_equal(stats_get(&f->stats.client_active), 0);
	assert_int_equal(stats_get(&f->stats.client_idle), 0);
	assert_int_equal(f->service.heads.in_use, 0);
	assert_int_equal(f->service.answers.in_use, 0);
	for (unsigned i = 0; i < double_sources; i++)
		assert_true(double_source[i]->freed);
	service_done(&f->service);
	double_reset();
	fd_close(&f->client);
	loop_done(&f->loop);
	free(f->got);
	free(f);
	return 0;
}

/* A connected pair over TCP, so that FIN and RST are told apart; the relay's side becomes a session. */
static void dial(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	CLEANUP(close_p) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int small = 32768;

	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	f->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(f->client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(connect(f->client, (struct sockaddr *)&at, sizeof(at)), 0);
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	assert_int_equal(session_open(&f->service, fd, (struct sockaddr *)&at, len), 0);
	f->got_n = 0;
	f->end = 0;
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turns(f, 3);
}

/* Takes what has come without waiting. */
static void take(struct fixture *f)
{
	arrive();
	for (;;) {
		ssize_t n = recv(f->client, f->got + f->got_n, GOT_MAX - f->got_n, MSG_DONTWAIT);
		if (n > 0) {
			f->got_n += (size_t)n;
			continue;
		}
		if (n == 0)
			f->end = 1;
		else if (errno != EAGAIN)
			f->end = -errno;
		break;
	}
	f->got[f->got_n] = '\0';
}

static const char *hear(struct fixture *f)
{
	turns(f, 3);
	take(f);
	return f->got;
}

/* Turns (with deadlines) until the connection has ended. */
static void until_end(struct fixture *f)
{
	const uint64_t give_up = clock_now_ms() + 10000;

	while (f->end == 0) {
		assert_true(clock_now_ms() < give_up);
		assert_int_equal(loop_turn(&f->loop, 20), 0);
		take(f);
	}
}

static bool heard(struct fixture *f, const char *text)
{
	return strstr(hear(f), text) != NULL;
}

static uint64_t requests(const struct fixture *f, enum stats_route route, enum stats_method method, unsigned status)
{
	return stats_get(&f->stats.requests[route][method][stats_code_of(status)]);
}

static struct double_source *last(void)
{
	assert_true(double_sources > 0);
	return double_source[double_sources - 1];
}

/* --- the way there and back ---------------------------------------------------------------------- */

static void relays_an_answer(void **state)
{
	struct fixture *f = *state;

	dial(f);
	assert_int_equal(stats_get(&f->stats.client_idle), 1);
	say(f, "GET " MANIFEST "?ns=reg.io HTTP/1.1\r\nHost: localhost\r\nAccept: a\r\nAccept: b\r\nX-Request-Id: id-7\r\n"
	       "Accept-Encoding: zstd\r\n\r\n");
	assert_int_equal(double_sources, 1);
	assert_string_equal(last()->path, MANIFEST);
	assert_string_equal(last()->fields, "X-Request-Id: id-7\nAccept: a\nAccept: b\n");
	assert_int_equal(stats_get(&f->stats.client_active), 1);
	assert_string_equal(session_waits_for(list_entry(f->service.sessions.next, struct session, node)), "the test");
	assert_string_equal(hear(f), "");
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: now\r\nServer: x\r\n\r\n", "hello", true);
	assert_string_equal(hear(f), "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nOCI-Namespace: reg.io\r\n"
	                             "X-Request-Id: id-7\r\n\r\nhello");
	assert_int_equal(f->end, 0);
	assert_true(last()->freed);
	assert_int_equal(requests(f, ROUTE_MANIFEST, STATS_GET, 200), 1);
	assert_int_equal(stats_get(&f->stats.client_bytes_out), f->got_n);
	assert_int_equal(stats_get(&f->stats.client_idle), 1);
	/* An idle connection holds no buffer. */
	assert_int_equal(f->service.heads.in_use, 0);
	assert_int_equal(f->service.answers.in_use, 0);
}

static void request_byte_by_byte(void **state)
{
	struct fixture *f = *state;

	dial(f);
	double_instant = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	for (const char *p = REQUEST; *p; p++) {
		const char one[2] = { *p, '\0' };
		say(f, one);
	}
	assert_true(heard(f, "\r\n\r\nok"));
	assert_int_equal(double_sources, 1);
}

static void pipelined_requests_in_order(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, "GET /v2/a/manifests/t0 HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n"
	       "HEAD /v2/a/manifests/t2 HTTP/1.1\r\nHost: h\r\n\r\nGET /v2/a/manifests/t3 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(double_sources, 1);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "0", true);
	turns(f, 3);
	assert_int_equal(double_sources, 2);
	assert_string_equal(last()->path, "/v2/a/manifests/t2");
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "", true);
	turns(f, 3);
	assert_int_equal(double_sources, 3);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "3", true);
	const char *got = hear(f);
	const char *a = strstr(got, "\r\n\r\n0HTTP/1.1 404 "), *b = strstr(got, "Content-Length: 10\r\n"), *c = strstr(got, "\r\n\r\n3");
	assert_true(a && b && c && a < b && b < c);
	assert_int_equal(requests(f, ROUTE_MANIFEST, STATS_HEAD, 200), 1);
	assert_int_equal(requests(f, ROUTE_OTHER, STATS_GET, 404), 1);
	assert_int_equal(stats_get(&f->stats.rejected_path), 1);
}

static void many_pipelined_refusals_take_turns(void **state)
{
	struct fixture *f = *state;
	unsigned answers = 0;

	dial(f);
	for (unsigned i = 0; i < 50; i++)
		assert_true(send(f->client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, 0) == 27);
	turns(f, 30);
	for (const char *p = hear(f); (p = strstr(p, "HTTP/1.1 404 ")); p++)
		answers++;
	assert_int_equal(answers, 50);
}

static void unknown_length_is_framed_anew(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	double_answer(last(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "abc", false);
	assert_true(heard(f, "Transfer-Encoding: chunked\r\n"));
	assert_true(heard(f, "\r\n\r\n3\r\nabc\r\n"));
	double_more(last(), "abcdefg", 7, true);
	assert_true(heard(f, "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"));
	assert_int_equal(f->end, 0);
}

static void http_10_gets_a_body_that_ends_with_the_connection(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, "GET " MANIFEST " HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
	double_answer(last(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "abc", true);
	const char *got = hear(f);
	assert_non_null(strstr(got, "Connection: close\r\n"));
	assert_null(strstr(got, "chunked"));
	assert_true(sv_ends(sv_str(got), SV("\r\n\r\nabc")));
	assert_int_equal(f->end, 1);
}

static void large_body_waits_for_a_slow_client(void **state)
{
	struct fixture *f = *state;
	const size_t size = 3 << 20;
	char *data = malloc(size), head[100];

	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 >> 3);
	dial(f);
	say(f, REQUEST);
	(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	double_answer(last(), head, "", false);
	double_more(last(), data, size, true);
	turns(f, 20);
	/* Full: nothing is moved any more, whoever calls. */
	unsigned moves = last()->moves;
	uint64_t moved = last()->source.moved;
	assert_true(moved < size);
	last()->source.fn(&last()->source);
	turns(f, 20);
	assert_int_equal(last()->moves, moves);
	while (!last()->freed || f->got_n < size)
		(void)hear(f);
	assert_true(last()->complete);
	assert_memory_equal(f->got + f->got_n - size, data, size);
	assert_int_equal(f->end, 0);
	free(data);
}

/* --- what goes wrong ----------------------------------------------------------------------------- */

static void failure_before_the_head_is_answered(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	double_fail(last(), ERROR_TUNNEL_DOWN, "no Cloud Connector is connected");
	assert_true(heard(f, "HTTP/1.1 503 no Cloud Connector is connected\r\n"));
	assert_true(heard(f, "X-Regrelay-Error: tunnel-down\r\n"));
	assert_int_equal(requests(f, ROUTE_MANIFEST, STATS_GET, 503), 1);
	double_instant = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	say(f, REQUEST);
	assert_true(heard(f, "\r\n\r\nok"));
}

static void broken_body_ends_with_a_reset(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "abc", false);
	assert_true(heard(f, "\r\n\r\nabc"));
	double_cut(last());
	(void)hear(f);
	assert_int_equal(f->end, -ECONNRESET);
	assert_int_equal(stats_get(&f->stats.aborted_upstream), 1);
	assert_int_equal(f->ended, 1);
}

static void broken_chunked_body_has_no_last_chunk(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	double_answer(last(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "abc", false);
	double_cut(last());
	assert_false(heard(f, "\r\n0\r\n"));
	assert_int_equal(f->end, -ECONNRESET);
}

static void client_that_resets_frees_its_source(void **state)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	assert_false(last()->freed);
	(void)setsockopt(f->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	fd_close(&f->client);
	turns(f, 3);
	assert_true(last()->freed);
	assert_int_equal(stats_get(&f->stats.aborted_client), 1);
	assert_int_equal(f->service.count, 0);
}

static void half_closed_client_gets_its_answer(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	(void)shutdown(f->client, SHUT_WR);
	turns(f, 3);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok", true);
	assert_true(heard(f, "\r\n\r\nok"));
	assert_int_equal(f->end, 1);
	assert_int_equal(stats_get(&f->stats.aborted_client), 0);
}

static void refusals_answer_once_and_close(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
	} row[] = {
		{ "GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413 },
		{ "GET /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "GET /v2/ HTTP/1.1\r\n\r\n", 400 },
		{ "GET /v2/ HTTP/1.1\nHost: a\n\n", 400 },
		{ "GET /v2/ HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ "BREW /v2/ HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
		{ "GET http://b/v2/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /v2/ HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417 },
		{ "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		char expected[32];
		dial(f);
		say(f, row[i].request);
		say(f, REQUEST);
		(void)snprintf(expected, sizeof(expected), "HTTP/1.1 %u ", row[i].status);
		const char *got = hear(f);
		if (strncmp(got, expected, strlen(expected)) != 0)
			fail_msg("%s: %s", row[i].request, got);
		assert_null(strstr(got, "\nHTTP/1.1 "));
		assert_non_null(strstr(got, "Connection: close\r\n"));
		assert_int_equal(f->end, 1);
		assert_int_equal(double_sources, 0);
		fd_close(&f->client);
		turns(f, 3);
		assert_int_equal(f->service.count, 0);
	}
}

/* RFC 9110 9.3.2 */
static void a_refused_head_gets_no_body(void **state)
{
	static const char *const row[] = {
		"HEAD " MANIFEST " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
		"HEAD " MANIFEST " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HEAD " MANIFEST " HTTP/1.1\r\n\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		dial(f);
		say(f, row[i]);
		const char *got = hear(f), *end = strstr(got, "\r\n\r\n");
		if (strncmp(got, "HTTP/1.1 4", 10) != 0 || !end || end[4] != '\0')
			fail_msg("%s: %s", row[i], got);
		assert_non_null(strstr(got, "Connection: close\r\n"));
		assert_int_equal(f->end, 1);
		fd_close(&f->client);
		const uint64_t give_up = clock_now_ms() + 10000;
		while (f->service.count) {
			assert_true(clock_now_ms() < give_up);
			assert_int_equal(loop_turn(&f->loop, 20), 0);
		}
	}
	assert_int_equal(requests(f, ROUTE_OTHER, STATS_HEAD, 400), 2);
	assert_int_equal(requests(f, ROUTE_OTHER, STATS_HEAD, 413), 1);
}

static void other_methods_keep_the_connection(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, "DELETE " MANIFEST " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(heard(f, "HTTP/1.1 405 "));
	assert_true(heard(f, "Allow: GET, HEAD\r\n"));
	assert_int_equal(f->end, 0);
	assert_int_equal(stats_get(&f->stats.rejected_method), 1);
	say(f, "GET /v2/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(double_sources, 1);
	fd_close(&f->client);
	dial(f);
	say(f, "GET /v2/ HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"); /* nobody expects anything by it */
	assert_int_equal(double_sources, 2);
}

static void tls_hello_is_answered_at_once(void **state)
{
	struct fixture *f = *state;

	dial(f);
	assert_int_equal(send(f->client, "\x16\x03\x01\x00\xc8\x01", 6, 0), 6);
	assert_true(heard(f, "HTTP/1.1 400 "));
	assert_int_equal(f->end, 1);
	assert_int_equal(stats_get(&f->stats.rejected_tls), 1);
	assert_int_equal(requests(f, ROUTE_OTHER, STATS_METHOD_OTHER, 400), 0);
}

static void head_at_the_limit_and_one_more(void **state)
{
	struct fixture *f = *state;
	char request[5000];

	for (int more = 0; more <= 1; more++) {
		int n = snprintf(request, sizeof(request), "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ");
		memset(request + n, 'a', sizeof(request) - (size_t)n);
		memcpy(request + 4096 - 4 + more, "\r\n\r\n", 5);
		dial(f);
		say(f, request);
		turns(f, 3);
		assert_int_equal(double_sources, 1);
		assert_int_equal(heard(f, "HTTP/1.1 431 "), more);
		fd_close(&f->client);
		turns(f, 3);
		service_cut(&f->service);
	}
	assert_int_equal(stats_get(&f->stats.rejected_too_large), 1);
}

/* --- time ---------------------------------------------------------------------------------------- */

static void slow_head_is_408_and_silence_is_nothing(void **state)
{
	struct fixture *f = *state;

	f->conf.listen.head_timeout = 40;
	dial(f);
	until_end(f);
	assert_string_equal(f->got, "");
	assert_int_equal(f->end, 1);
	fd_close(&f->client);
	dial(f);
	say(f, "GET /v2/");
	until_end(f);
	assert_true(heard(f, "HTTP/1.1 408 "));
	assert_int_equal(f->end, 1);
	assert_int_equal(stats_get(&f->stats.rejected_timeout), 1);
}

static void idle_connection_is_closed_quietly(void **state)
{
	struct fixture *f = *state;

	f->conf.listen.idle_timeout = 40;
	double_instant = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	dial(f);
	say(f, REQUEST);
	until_end(f);
	assert_true(sv_ends(sv_str(f->got), SV("\r\n\r\nok")));
	assert_int_equal(f->end, 1);
}

static void client_that_takes_nothing_is_cut(void **state)
{
	struct fixture *f = *state;
	const size_t size = 3 << 20;
	char *data = calloc(1, size);

	f->conf.listen.send_timeout = 60;
	dial(f);
	say(f, REQUEST);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n", "", false);
	double_more(last(), data, size, true);
	const uint64_t give_up = clock_now_ms() + 10000;
	while (f->service.count) {
		assert_true(clock_now_ms() < give_up);
		assert_int_equal(loop_turn(&f->loop, 20), 0);
		/* News of the source do not put the deadline off. */
		if (!last()->freed)
			last()->source.fn(&last()->source);
	}
	assert_int_equal(stats_get(&f->stats.aborted_client), 1);
	free(data);
}

static void source_that_forgets_its_deadline_is_504(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	struct session *s = list_entry(f->service.sessions.next, struct session, node);
	assert_in_range(s->deadline.at_ms, loop_now(&f->loop) + 25000, loop_now(&f->loop) + 31000);
	s->deadline.fn(&s->deadline);
	assert_true(heard(f, "HTTP/1.1 504 "));
}

/* A process that stood still sees the answer and its deadline in one turn, and the source tells after both. */
static void an_answer_that_is_there_beats_the_deadline(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	struct session *s = list_entry(f->service.sessions.next, struct session, node);
	double_arrive(last(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "abcd", true);
	s->deadline.fn(&s->deadline);
	assert_true(heard(f, "HTTP/1.1 200 OK\r\n"));
	assert_true(heard(f, "\r\n\r\nabcd"));
}

static void source_that_reads_again_is_no_silent_one(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	struct session *s = list_entry(f->service.sessions.next, struct session, node);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "ab", false);
	last()->skips = true;
	last()->source.fn(&last()->source);
	s->deadline.fn(&s->deadline);
	assert_in_range(s->deadline.at_ms, loop_now(&f->loop) + 30000, loop_now(&f->loop) + 36000);
	last()->skips = false;
	turns(f, 1);
	double_more(last(), "abcd", 4, true);
	assert_true(heard(f, "\r\n\r\nabcd"));
	/* silence is something else */
	say(f, REQUEST);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "ab", false);
	s->deadline.fn(&s->deadline);
	assert_int_equal(stats_get(&f->stats.aborted_upstream), 1);
}

/* --- the end of a worker ------------------------------------------------------------------------- */

static void drain_closes_after_the_next_answer(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	service_drain(&f->service);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok", true);
	assert_true(heard(f, "Connection: close\r\n"));
	assert_true(heard(f, "\r\n\r\nok"));
	assert_int_equal(f->end, 1);
}

static void drain_waits_a_little_for_idle_clients(void **state)
{
	struct fixture *f = *state;

	dial(f);
	service_drain(&f->service);
	struct session *s = list_entry(f->service.sessions.next, struct session, node);
	assert_in_range(s->deadline.at_ms, loop_now(&f->loop) + 1900, loop_now(&f->loop) + 2000);
	say(f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_true(heard(f, "HTTP/1.1 404 "));
	assert_int_equal(f->end, 1);
}

static void cut_resets_what_runs(void **state)
{
	struct fixture *f = *state;

	dial(f);
	say(f, REQUEST);
	double_answer(last(), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "abc", false);
	service_cut(&f->service);
	(void)hear(f);
	assert_int_equal(f->end, -ECONNRESET);
	assert_int_equal(f->service.cut, 1);
	assert_int_equal(stats_get(&f->stats.aborted_relay), 1);
}

static void no_memory_for_a_fetch_is_503(void **state)
{
	struct fixture *f = *state;

	double_refuses = true;
	dial(f);
	say(f, REQUEST);
	assert_true(heard(f, "X-Regrelay-Error: overloaded\r\n"));
}

static void memory_is_given_back_after_a_burst(void **state)
{
	struct fixture *f = *state;
	struct buf held[64] = { 0 };

	assert_false(service_tidy(&f->service));
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		assert_int_equal(buf_borrow(&held[i], &f->service.heads), 0);
	assert_false(service_tidy(&f->service)); /* it is not over */
	for (size_t i = 0; i < ARRAY_LEN(held) - 17; i++)
		buf_return(&held[i], &f->service.heads);
	assert_false(service_tidy(&f->service));
	buf_return(&held[ARRAY_LEN(held) - 1], &f->service.heads);
	assert_true(service_tidy(&f->service));
	assert_false(service_tidy(&f->service)); /* once */
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		buf_return(&held[i], &f->service.heads);
	assert_false(service_tidy(&f->service));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(relays_an_answer), T(request_byte_by_byte), T(pipelined_requests_in_order),
		T(many_pipelined_refusals_take_turns), T(unknown_length_is_framed_anew),
		T(http_10_gets_a_body_that_ends_with_the_connection), T(large_body_waits_for_a_slow_client),
		T(failure_before_the_head_is_answered), T(broken_body_ends_with_a_reset),
		T(broken_chunked_body_has_no_last_chunk), T(client_that_resets_frees_its_source),
		T(half_closed_client_gets_its_answer), T(refusals_answer_once_and_close), T(a_refused_head_gets_no_body),
		T(other_methods_keep_the_connection), T(tls_hello_is_answered_at_once),
		T(head_at_the_limit_and_one_more), T(slow_head_is_408_and_silence_is_nothing),
		T(idle_connection_is_closed_quietly), T(client_that_takes_nothing_is_cut),
		T(source_that_forgets_its_deadline_is_504), T(an_answer_that_is_there_beats_the_deadline),
		T(source_that_reads_again_is_no_silent_one),
		T(drain_closes_after_the_next_answer),
		T(drain_waits_a_little_for_idle_clients), T(cut_resets_what_runs), T(no_memory_for_a_fetch_is_503),
		T(memory_is_given_back_after_a_burst),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
