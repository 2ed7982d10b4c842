/* A fetch against a scripted upstream on loopback: the good day, and every way it can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "clock.h"
#include "response.h"
#include "retry.h"
#include "upstream_fixture.h"

#define NO_MAPPING                                                                                 \
	"HTTP/1.1 403 Forbidden\r\nContent-Length: 37\r\n\r\nAccess denied to system reg.corp:5000"
#define PATH "/v2/a/manifests/t"
#define JSON "Content-Type: application/json\r\n"
#define OK_HELLO "HTTP/1.1 200 OK\r\n" JSON "Content-Length: 5\r\n\r\nhello"
#define OK_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static int setup(void **state)
{
	*state = fixture_new();
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct taking *run(struct fixture *f, enum http_method method)
{
	struct taking *p = pull_new(f, 0, method, PATH, true);

	assert_int_equal(p->calls, 0);
	TURN_UNTIL(f, pull_over(p));
	return p;
}

static void assert_body(const struct taking *p, const char *expected)
{
	assert_true(p->ended);
	assert_int_equal(p->n, strlen(expected));
	if (p->n)
		assert_memory_equal(p->got, expected, p->n);
}

/* One exchange that ends well; the connection is pooled or not. */
static void run_ok(struct fixture *f, const char *answer, enum fake_then then, const char *body, bool pooled)
{
	fake_answers(f, answer, then);
	struct taking *p = run(f, HTTP_GET);
	assert_body(p, body);
	assert_int_equal(stats_get(&f->stats->idle), pooled);
	assert_int_equal(stats_get(&f->stats->connections), pooled);
	pull_free(p);
}

static void assert_failed(struct fixture *f, struct taking *p, enum error_id id, const char *words)
{
	assert_true(p->failed);
	assert_string_equal(error_row(p->source->failure.id)->name, error_row(id)->name);
	if (!strstr(p->source->failure.text, words))
		fail_msg("no \"%s\" in \"%s\"", words, p->source->failure.text);
	assert_int_equal(stats_get(&f->stats->connections), 0);
}

/* The same answer to every attempt. */
static void run_error(struct fixture *f, enum http_method method, const char *answer, unsigned requests,
                      enum error_id id, const char *words)
{
	for (unsigned i = 0; i < requests; i++)
		fake_answers(f, answer, THEN_KEEP);
	struct taking *p = run(f, method);
	assert_failed(f, p, id, words);
	assert_int_equal(f->requests, requests);
	assert_int_equal(stats_get(&f->stats->errors[error_row(id)->reason]), 1);
	assert_int_equal(f->stats->last_error, id);
	assert_true(stats_get(&f->stats->last_error_ms) > 0);
	pull_free(p);
}

/* --- the good day -------------------------------------------------------------------------------------- */

static void one_connection_carries_many(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	for (unsigned i = 0; i < 5; i++)
		run_ok(f, OK_HELLO, THEN_KEEP, "hello", true);
	assert_int_equal(f->conns, 1);
	assert_int_equal(stats_get(&f->stats->connects), 1);
	assert_int_equal(stats_get(&f->stats->reused), 4);
	assert_int_equal(stats_get(&f->stats->requests[STATS_CODE_200]), 5);
	assert_true(stats_get(&f->stats->last_success_ms) > 0);
	assert_int_equal(stats_get(&f->stats->last_error_ms), 0);
	assert_int_equal(stats_get(&f->heritage.stats->upstream_bytes_in), 5 * strlen(OK_HELLO));
	assert_int_equal(stats_get(&f->heritage.stats->upstream_bytes_out), 5 * strlen(f->last_request));
	assert_non_null(strstr(f->last_request, "GET " PATH " HTTP/1.1\r\nHost: reg.corp:5000\r\n"));
	assert_non_null(strstr(f->last_request, "Accept: a/b\r\naccept: c/d\r\n"));
}

static void every_framing_ends_where_it_should(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	run_ok(f, OK_EMPTY, THEN_KEEP, "", true);
	run_ok(f, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", THEN_KEEP, "", true);
	run_ok(f, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", THEN_KEEP, "", true);
	run_ok(f,
	       OK_CHUNKED "3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nT: 1\r\n\r\n",
	       THEN_KEEP, "abcdefg", true);
	run_ok(f, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK_HELLO,
	       THEN_KEEP, "hello", true);
	assert_int_equal(f->conns, 1);
	run_ok(f, "HTTP/1.1 200 OK\r\n\r\nuntil the end", THEN_CLOSE, "until the end", false);
	run_ok(f, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", THEN_KEEP, "ok", false);
	run_ok(f, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", THEN_KEEP, "ok",
	       false);
	run_ok(f, OK_HELLO "more than was announced", THEN_KEEP, "hello", false);
}

static void head_has_no_body_and_keeps_its_connection(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	for (unsigned i = 0; i < 2; i++) {
		fake_answers(f, "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", THEN_KEEP);
		struct taking *p = run(f, HTTP_HEAD);
		assert_body(p, "");
		pull_free(p);
		assert_int_equal(strncmp(f->last_request, "HEAD ", 5), 0);
	}
	assert_int_equal(f->conns, 1);
}

static void bytes_may_come_one_by_one(void **state)
{
	struct fixture *f = *state;
	static const char answer[] = OK_CHUNKED "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";

	fixture_begin(f);
	fake_answers(f, NULL, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, PATH, true);
	TURN_UNTIL(f, f->requests == 1);
	for (size_t i = 0; i < sizeof(answer) - 1; i++) {
		uint64_t before = stats_get(&f->heritage.stats->upstream_bytes_in);
		assert_false(pull_over(p));
		fake_sends(f, 0, &answer[i], 1);
		TURN_UNTIL(f, stats_get(&f->heritage.stats->upstream_bytes_in) > before || pull_over(p));
	}
	TURN_UNTIL(f, pull_over(p));
	assert_body(p, "abcd");
	pull_free(p);
	assert_int_equal(stats_get(&f->stats->idle), 1);
}

static void a_full_sink_stops_the_reading(void **state)
{
	struct fixture *f = *state;
	static char piece[1000];
	const size_t size = 30 * sizeof(piece);

	fixture_begin(f);
	fake_answers(f, "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n", THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, PATH, false);
	p->room = 0;
	TURN_UNTIL(f, p->head);
	for (unsigned i = 0; i < 30; i++) {
		memset(piece, 'a' + (int)(i % 26), sizeof(piece));
		fake_sends(f, 0, piece, sizeof(piece));
		if (i == 0)
			settle(f);
	}
	settle(f);
	uint64_t held = stats_get(&f->heritage.stats->upstream_bytes_in);
	assert_in_range(held, 0, 2000);
	while (!pull_over(p)) {
		pull_read(p, 777);
		assert_int_equal(loop_turn(&f->loop, 0), 0);
	}
	assert_true(p->ended);
	assert_int_equal(p->n, size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(p->got[i], 'a' + (int)(i / sizeof(piece) % 26));
	pull_free(p);
}

/* --- attempts ------------------------------------------------------------------------------------------ */

static void a_stale_connection_is_replaced_at_once(void **state)
{
	struct fixture *f = *state;

	unsigned times = 0;
	bool at_once = false;

	fixture_begin(f);
	run_ok(f, OK_HELLO, THEN_KEEP, "hello", true);
	while (!at_once && times++ < 20) { /* the machine may be slow now and then, a pause is every time */
		fake_answers(f, NULL, THEN_CLOSE);
		uint64_t began = clock_now_ms();
		run_ok(f, OK_HELLO, THEN_KEEP, "hello", true);
		at_once = clock_now_ms() - began < RETRY_PAUSE_MS;
	}
	assert_true(at_once);
	assert_int_equal(f->conns, 1 + times);
	assert_int_equal(stats_get(&f->stats->last_error_ms), 0);
}

static void a_reset_before_the_answer_is_tried_again(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, NULL, THEN_RESET);
	fake_answers(f, "HTTP/1.1 200 O", THEN_CLOSE);
	fake_answers(f, OK_HELLO, THEN_KEEP);
	struct taking *p = run(f, HTTP_GET);
	assert_body(p, "hello");
	assert_int_equal(p->facts.tries, 3);
	pull_free(p);
}

static void an_upstream_that_always_hangs_up(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	for (unsigned i = 0; i < 3; i++)
		fake_answers(f, NULL, THEN_CLOSE);
	struct taking *p = run(f, HTTP_GET);
	assert_failed(f, p, ERROR_UPSTREAM_CLOSED, "reg.corp:5000 broke before an answer came: closed");
	assert_int_equal(stats_get(&f->stats->errors[REASON_RESET]), 1);
	pull_free(p);
}

static void a_tunnel_that_comes_back_in_time(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, "HTTP/1.1 503 Unavailable\r\nContent-Length: 30\r\n\r\nThere is no SAP Cloud Connector",
	             THEN_KEEP);
	fake_answers(f, OK_HELLO, THEN_KEEP);
	struct taking *p = run(f, HTTP_GET);
	assert_body(p, "hello");
	pull_free(p);
	assert_int_equal(stats_get(&f->stats->errors[REASON_PROXY]), 0);
}

static void a_bound_connection_is_replaced_at_once(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	run_ok(f, OK_HELLO, THEN_KEEP, "hello", true);
	fake_answers(f, NO_MAPPING, THEN_KEEP);
	run_ok(f, OK_HELLO, THEN_KEEP, "hello", true);
	assert_int_equal(f->conns, 2);
	TURN_UNTIL(f, f->open == 1);
}

static void a_refused_connection(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_refuses(f);
	struct taking *p = run(f, HTTP_GET);
	assert_failed(f, p, ERROR_PROXY_UNREACHABLE, "Connection refused");
	assert_int_equal(p->facts.tries, 3);
	assert_int_equal(stats_get(&f->stats->errors[REASON_CONNECT]), 1);
	pull_free(p);
}

static void the_next_address_is_tried(void **state)
{
	struct fixture *f = *state;
	/* nobody listens on 127.0.0.2: the fake is bound to 127.0.0.1 */
	const struct names_address at[] = { { .family = 9 }, { .family = 4, .bytes = { 127, 0, 0, 2 } },
		                            { .family = 4, .bytes = { 127, 0, 0, 1 } } };

	f->proxy.name_index = 4;
	names_publish(&f->shm->names[0][4], NAMES_GOOD, at, 3, "", 1);
	fixture_begin(f);
	run_ok(f, OK_HELLO, THEN_KEEP, "hello", true);
	assert_int_equal(f->requests, 1);
}

/* --- names --------------------------------------------------------------------------------------------- */

static void a_name_without_address_fails_and_wakes_the_keeper(void **state)
{
	struct fixture *f = *state;
	uint64_t count;
	CLEANUP(close_p) int keeper = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	f->proxy.name_index = 4;
	f->heritage.wake_others[0] = keeper;
	f->heritage.wakes = 1;
	names_publish(&f->shm->names[0][4], NAMES_FAILED, NULL, 0, "no such host", 1);
	fixture_begin(f);
	struct taking *p = run(f, HTTP_GET);
	assert_failed(f, p, ERROR_PROXY_NAME, "no such host");
	assert_int_equal(read(keeper, &count, sizeof(count)), sizeof(count));
	pull_free(p);
}

static void a_name_not_resolved_yet_is_waited_for(void **state)
{
	struct fixture *f = *state;
	const struct names_address at = { .family = 4, .bytes = { 127, 0, 0, 1 } };

	f->proxy.name_index = 4;
	fixture_begin(f);
	fake_answers(f, OK_HELLO, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, PATH, true), *q = pull_new(f, 0, HTTP_GET, PATH, true);
	settle(f);
	assert_non_null(strstr(p->source->waits_for, "name"));
	upstream_news(f->upstream); /* of another name: it goes on waiting */
	assert_int_equal(p->calls, 0);
	pull_free(q);
	names_publish(&f->shm->names[0][4], NAMES_GOOD, &at, 1, "", 1);
	upstream_news(f->upstream);
	TURN_UNTIL(f, pull_over(p));
	assert_body(p, "hello");
	pull_free(p);
}

static void a_name_that_stays_unresolved_fails_with_the_budget(void **state)
{
	struct fixture *f = *state;

	f->proxy.name_index = 4;
	f->proxy.header_budget = 100;
	fixture_begin(f);
	struct taking *p = run(f, HTTP_GET);
	assert_failed(f, p, ERROR_PROXY_NAME, "100 ms");
	pull_free(p);
}

static void without_a_proxy_it_is_the_registry_s_name_that_stays_unresolved(void **state)
{
	struct fixture *f = *state;

	f->proxy.direct = true;
	f->proxy.name_index = 4;
	f->proxy.header_budget = 100;
	fixture_begin(f);
	struct taking *p = run(f, HTTP_GET);
	assert_failed(f, p, ERROR_REGISTRY_NAME, "cannot resolve reg.corp:5000: no answer about the name within 100 ms");
	pull_free(p);
}

/* --- errors of the path -------------------------------------------------------------------------------- */

#define NOT_AUTHENTICATED "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"

static void a_proxy_that_is_shown_nothing_wants_a_token(void **state)
{
	fixture_begin(*state);
	run_error(*state, HTTP_GET, NOT_AUTHENTICATED, 1, ERROR_PROXY_TOKEN, "wants a token: set auth");
}

static void a_proxy_that_is_shown_a_password_refuses_it(void **state)
{
	static char value[] = "Basic dTpw";
	struct conf_login basic = { .value = value };
	struct fixture *f = *state;

	f->proxy.basic = &basic;
	fixture_begin(f);
	run_error(f, HTTP_HEAD, NOT_AUTHENTICATED, 1, ERROR_PROXY_CREDENTIALS_REFUSED, "refuses our credentials");
}

static void a_missing_mapping_is_told(void **state)
{
	fixture_begin(*state);
	run_error(*state, HTTP_GET, NO_MAPPING, 1, ERROR_MAPPING_MISSING,
	          "virtual host reg.corp:5000 is not exposed");
}

static void head_is_asked_again_for_its_text(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, "HTTP/1.1 403 Forbidden\r\nContent-Length: 37\r\n\r\n", THEN_KEEP);
	fake_answers(f, NO_MAPPING, THEN_KEEP);
	struct taking *p = run(f, HTTP_HEAD);
	assert_failed(f, p, ERROR_MAPPING_MISSING, "not exposed");
	assert_int_equal(f->conns, 1);
	assert_int_equal(strncmp(f->last_request, "GET ", 4), 0);
	pull_free(p);
}

static void head_is_asked_again_on_a_new_connection_when_it_must(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", THEN_CLOSE);
	fake_answers(f, "HTTP/1.1 404 Gone\r\n" JSON "Content-Length: 13\r\n\r\n{\"errors\":[]}", THEN_KEEP);
	struct taking *p = run(f, HTTP_HEAD);
	assert_true(p->head);
	assert_int_equal(p->status, 404);
	assert_string_equal(p->content_type, "application/json");
	assert_body(p, ""); /* the body of the GET is nobody's */
	assert_int_equal(f->conns, 2);
	pull_free(p);
	assert_int_equal(stats_get(&f->stats->connections), 0);
}

static void give_token(struct fixture *f, uint32_t serial)
{
	struct token t = { .state = TOKEN_GOOD, .serial = serial, .until_ms = TOKEN_NEVER };

	t.n = (uint32_t)snprintf(t.bytes, sizeof(t.bytes), "token-%u", serial);
	token_publish(&f->shm->token[f->heritage.gen_index][0], &t);
}

/* The proxy may bind a connection to the token that it saw first on it. */
static void head_is_asked_again_on_a_new_connection_when_the_token_changed(void **state)
{
	static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 37\r\n\r\n";
	struct fixture *f = *state;

	f->proxy.auth = CONF_AUTH_BEARER;
	fixture_begin(f);
	give_token(f, 1);
	fake_answers(f, NULL, THEN_KEEP);
	fake_answers(f, OK_EMPTY, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_HEAD, PATH, true);
	TURN_UNTIL(f, f->requests == 1);
	assert_non_null(strstr(f->last_request, "Proxy-Authorization: Bearer token-1\r\n"));
	give_token(f, 2);
	fake_sends(f, 0, not_found, strlen(not_found));
	TURN_UNTIL(f, pull_over(p));
	assert_non_null(strstr(f->last_request, "GET " PATH));
	assert_non_null(strstr(f->last_request, "Proxy-Authorization: Bearer token-2\r\n"));
	assert_int_equal(f->conn[0]->requests, 1);
	assert_int_equal(f->conns, 2);
	pull_free(p);
}

static void head_with_json_is_the_registrys(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, "HTTP/1.1 503 Busy\r\n" JSON "Content-Length: 50\r\n\r\n", THEN_KEEP);
	struct taking *p = run(f, HTTP_HEAD);
	assert_int_equal(p->status, 503);
	assert_int_equal(f->requests, 1);
	pull_free(p);
}

static void chunked_text_of_an_error_is_read(void **state)
{
	fixture_begin(*state);
	run_error(*state, HTTP_GET,
	          "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n"
	          "10\r\nThere is no SAP \r\n20\r\nCloud Connector (SCC) connected \r\n0\r\n\r\n",
	          3, ERROR_TUNNEL_DOWN, "no Cloud Connector is connected");
}

static void text_that_does_not_end_is_judged_by_what_came(void **state)
{
	struct fixture *f = *state;

	f->proxy.header_budget = 2000; /* which leaves no time for another attempt */
	fixture_begin(f);
	run_error(f, HTTP_GET,
	          "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1000\r\n\r\n"
	          "Unable to open connection to backend system x", 1,
	          ERROR_BACKEND_UNREACHABLE, "cannot open reg.corp:5000");
}

static void a_registrys_error_passes_with_its_body(void **state)
{
	struct fixture *f = *state;
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n" JSON
	                             "Transfer-Encoding: chunked\r\n\r\nd\r\n{\"errors\":[]}\r\n0\r\n\r\n";

	fixture_begin(f);
	run_ok(f, answer, THEN_KEEP, "{\"errors\":[]}", true);
	run_ok(f, "HTTP/1.1 403 No\r\nContent-Length: 14\r\n\r\nnot by this ip", THEN_KEEP, "not by this ip",
	       true);
	assert_int_equal(f->conns, 1);
	assert_int_equal(stats_get(&f->stats->requests[STATS_CODE_503]), 1);
	assert_int_equal(stats_get(&f->stats->last_error_ms), 0);
}

static void a_malformed_head_is_refused_at_once(void **state)
{
	fixture_begin(*state);
	run_error(*state, HTTP_GET, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 1,
	          ERROR_UPSTREAM_MALFORMED, "reg.corp:5000 sent a malformed answer");
}

static void nine_interim_answers_are_too_many(void **state)
{
	char answer[1024] = "";

	for (unsigned i = 0; i < RESPONSE_INTERIM_MAX + 1; i++)
		(void)strncat(answer, "HTTP/1.1 100 Continue\r\n\r\n", sizeof(answer) - strlen(answer) - 1);
	fixture_begin(*state);
	run_error(*state, HTTP_GET, answer, 1, ERROR_UPSTREAM_MALFORMED, "too many interim answers");
}

static void a_switch_of_protocols_is_refused(void **state)
{
	fixture_begin(*state);
	run_error(*state, HTTP_GET, "HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 1,
	          ERROR_UPSTREAM_MALFORMED, "protocol");
}

static void a_line_too_long_is_refused_before_any_connection(void **state)
{
	struct fixture *f = *state;
	static char path[9000];

	fixture_begin(f);
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	struct taking *p = pull_new(f, 0, HTTP_GET, path, true);
	TURN_UNTIL(f, pull_over(p));
	assert_failed(f, p, ERROR_LINE_TOO_LONG, "the request line");
	assert_int_equal(stats_get(&f->stats->last_error_ms), 0);
	pull_free(p);
	settle(f);
	assert_int_equal(f->conns, 0);
}

/* --- time ---------------------------------------------------------------------------------------------- */

static void no_answer_within_the_budget(void **state)
{
	struct fixture *f = *state;

	f->proxy.header_budget = 2500;
	fixture_begin(f);
	run_error(f, HTTP_GET, NULL, 1, ERROR_UPSTREAM_TIMEOUT, "within 2.5 s");
}

static void a_stalled_body_is_cut_also_when_asked_again(void **state)
{
	struct fixture *f = *state;
	unsigned asked = 0;

	f->proxy.stall_timeout = 2500;
	fixture_begin(f);
	fake_answers(f, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, PATH, true);
	TURN_UNTIL(f, p->n == 3);
	while (!pull_over(p)) {
		pull_read(p, SIZE_MAX); /* without need: the stall goes on all the same */
		asked++;
		assert_int_equal(loop_turn(&f->loop, 10), 0);
	}
	assert_true(p->cut && asked > 3);
	assert_int_equal(p->source->failure.id, ERROR_UPSTREAM_TIMEOUT);
	assert_non_null(strstr(p->source->failure.text, "after 3 bytes"));
	pull_free(p);
}

static void a_full_sink_is_no_stall_of_the_source(void **state)
{
	struct fixture *f = *state;
	uint64_t until;

	f->proxy.stall_timeout = 50;
	fixture_begin(f);
	fake_answers(f, OK_HELLO, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, PATH, true);
	p->room = 2;
	TURN_UNTIL(f, p->n == 2);
	for (until = clock_now_ms() + 120; clock_now_ms() < until;)
		assert_int_equal(loop_turn(&f->loop, 20), 0);
	assert_false(pull_over(p));
	pull_read(p, SIZE_MAX);
	assert_body(p, "hello");
	pull_free(p);
}

/* --- ends ---------------------------------------------------------------------------------------------- */

static void assert_cut(struct fixture *f, const char *answer, enum fake_then then, enum error_id id)
{
	fake_answers(f, answer, then);
	struct taking *p = run(f, HTTP_GET);
	assert_true(p->head && p->cut);
	assert_int_equal(p->source->failure.id, id);
	assert_int_equal(stats_get(&f->stats->connections), 0);
	pull_free(p);
}

static void a_body_that_breaks_off_never_looks_complete(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	assert_cut(f, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", THEN_CLOSE, ERROR_UPSTREAM_CLOSED);
	assert_cut(f, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", THEN_RESET, ERROR_UPSTREAM_CLOSED);
	assert_cut(f, OK_CHUNKED "3\r\nabc\r\n", THEN_CLOSE, ERROR_UPSTREAM_CLOSED);
	assert_cut(f, OK_CHUNKED "3\r\nabc\r\n0\r\n", THEN_CLOSE,
	           ERROR_UPSTREAM_CLOSED);
	assert_cut(f, OK_CHUNKED "3\r\nabcd\r\n0\r\n\r\n", THEN_KEEP,
	           ERROR_UPSTREAM_MALFORMED);
}

static void leaving_in_any_state_closes_what_was_begun(void **state)
{
	struct fixture *f = *state;

	f->proxy.max_connections = 1;
	fixture_begin(f);
	/* at once; queued; with the answer under way; in the middle of the body */
	pull_free(pull_new(f, 0, HTTP_GET, PATH, true));
	fake_answers(f, NULL, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, PATH, true), *q = pull_new(f, 0, HTTP_GET, PATH, true);
	TURN_UNTIL(f, f->requests == 1);
	assert_int_equal(stats_get(&f->stats->waiting), 1);
	pull_free(q);
	pull_free(p);
	assert_int_equal(stats_get(&f->stats->waiting), 0);
	assert_int_equal(stats_get(&f->stats->connections), 0);
	fake_answers(f, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", THEN_KEEP);
	p = pull_new(f, 0, HTTP_GET, PATH, true);
	TURN_UNTIL(f, p->n == 3);
	pull_free(p);
	TURN_UNTIL(f, f->open == 0);
	assert_int_equal(stats_get(&f->stats->connections), 0);
}

static void leaving_after_a_head_without_body_keeps_the_connection(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, OK_EMPTY, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, PATH, true);
	TURN_UNTIL(f, f->requests == 1 && p->source->state == SOURCE_HEAD);
	pull_free(p);
	assert_int_equal(stats_get(&f->stats->idle), 1);
}

static void more_than_the_limit_wait_and_all_are_served(void **state)
{
	struct fixture *f = *state;
	struct taking *p[12];

	f->proxy.max_connections = 2;
	fixture_begin(f);
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		fake_answers(f, OK_HELLO, THEN_KEEP);
		p[i] = pull_new(f, 0, HTTP_GET, PATH, i % 2);
	}
	assert_int_equal(stats_get(&f->stats->waiting), 10);
	for (unsigned i = 0; i < ARRAY_LEN(p); i++)
		TURN_UNTIL(f, pull_over(p[i]));
	assert_int_equal(f->conns, 2);
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		assert_body(p[i], "hello");
		pull_free(p[i]);
	}
}

static void who_waits_too_long_gets_a_connection_all_the_same(void **state)
{
	struct fixture *f = *state;

	f->proxy.max_connections = 1;
	f->proxy.header_budget = 5000;
	fixture_begin(f);
	fake_answers(f, NULL, THEN_KEEP); /* holds its connection until its own budget ends */
	fake_answers(f, OK_HELLO, THEN_KEEP);
	struct taking *holds = pull_new(f, 0, HTTP_GET, PATH, false);
	TURN_UNTIL(f, f->requests == 1);
	uint64_t began = clock_now_ms();
	struct taking *waits = pull_new(f, 0, HTTP_GET, PATH, false);
	TURN_UNTIL(f, pull_over(waits));
	assert_body(waits, "hello");
	assert_true(clock_now_ms() - began >= 2900); /* three fifths of the budget */
	assert_int_equal(f->conns, 2);
	pull_free(waits);
	pull_free(holds);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_connection_carries_many),
		TEST(every_framing_ends_where_it_should),
		TEST(head_has_no_body_and_keeps_its_connection),
		TEST(bytes_may_come_one_by_one),
		TEST(a_full_sink_stops_the_reading),
		TEST(a_stale_connection_is_replaced_at_once),
		TEST(a_reset_before_the_answer_is_tried_again),
		TEST(an_upstream_that_always_hangs_up),
		TEST(a_tunnel_that_comes_back_in_time),
		TEST(a_bound_connection_is_replaced_at_once),
		TEST(a_refused_connection),
		TEST(the_next_address_is_tried),
		TEST(a_name_without_address_fails_and_wakes_the_keeper),
		TEST(a_name_not_resolved_yet_is_waited_for),
		TEST(a_name_that_stays_unresolved_fails_with_the_budget),
		TEST(without_a_proxy_it_is_the_registry_s_name_that_stays_unresolved),
		TEST(a_proxy_that_is_shown_nothing_wants_a_token),
		TEST(a_proxy_that_is_shown_a_password_refuses_it),
		TEST(a_missing_mapping_is_told),
		TEST(head_is_asked_again_for_its_text),
		TEST(head_is_asked_again_on_a_new_connection_when_it_must),
		TEST(head_is_asked_again_on_a_new_connection_when_the_token_changed),
		TEST(head_with_json_is_the_registrys),
		TEST(chunked_text_of_an_error_is_read),
		TEST(text_that_does_not_end_is_judged_by_what_came),
		TEST(a_registrys_error_passes_with_its_body),
		TEST(a_malformed_head_is_refused_at_once),
		TEST(nine_interim_answers_are_too_many),
		TEST(a_switch_of_protocols_is_refused),
		TEST(a_line_too_long_is_refused_before_any_connection),
		TEST(no_answer_within_the_budget),
		TEST(a_stalled_body_is_cut_also_when_asked_again),
		TEST(a_full_sink_is_no_stall_of_the_source),
		TEST(a_body_that_breaks_off_never_looks_complete),
		TEST(leaving_in_any_state_closes_what_was_begun),
		TEST(leaving_after_a_head_without_body_keeps_the_connection),
		TEST(more_than_the_limit_wait_and_all_are_served),
		TEST(who_waits_too_long_gets_a_connection_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
