/* Gate, parser, head and chunks: limits to the byte, framing, and every way the bytes may be cut.  The verdicts on
 * single messages are in tests/corpora. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http_chunk.h"
#include "http_octets.h"
#include "http_wire.h"

static const struct gate_limits limits = { .line = 64, .head = 256, .fields = 4 };
static struct http_head head;

static enum wire_result request(const char *text)
{
	struct wire w;

	wire_init_request(&w, &limits, false);
	return wire_feed(&w, text, strlen(text), &head);
}

static enum wire_result response(const char *text, bool to_head)
{
	struct wire w;

	wire_init_response(&w, &limits, to_head);
	return wire_feed(&w, text, strlen(text), &head);
}

static const char *filled(const char *before, char c, size_t n, const char *after)
{
	static char text[2000];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s", before);

	memset(text + at, c, n);
	(void)snprintf(text + at + n, sizeof(text) - at - n, "%s", after);
	return text;
}

static void limits_to_the_byte(void **state)
{
	(void)state;
	/* "GET /" + n + " HTTP/1.1" is the line: 14 + n */
	assert_int_equal(request(filled("GET /", 'a', 50, " HTTP/1.1\r\nHost: a\r\n\r\n")), WIRE_DONE);
	assert_int_equal(request(filled("GET /", 'a', 51, " HTTP/1.1\r\nHost: a\r\n\r\n")), WIRE_LINE_LONG);
	assert_int_equal(request(filled("GET /", 'a', 61, "")), WIRE_LINE_LONG); /* before its end comes */
	assert_int_equal(request(filled("GET / HTTP/1.1\r\nHost: a\r\nX: ", 'b', 61, "\r\n\r\n")), WIRE_DONE);
	assert_int_equal(request(filled("GET / HTTP/1.1\r\nHost: a\r\nX: ", 'b', 62, "\r\n\r\n")), WIRE_HEAD_LONG);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"), WIRE_DONE);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"), WIRE_HEAD_LONG);
}

static void whole_head_to_the_byte(void **state)
{
	const struct gate_limits small = { .line = 64, .head = 100, .fields = 4 };

	(void)state;
	for (size_t n = 50; n < 64; n++) {
		const char *text = filled("GET / HTTP/1.1\r\nHost: a\r\nX: ", 'b', n, "\r\n\r\n");
		struct wire w;
		wire_init_request(&w, &small, false);
		enum wire_result r = wire_feed(&w, text, strlen(text), &head);
		assert_int_equal(r, strlen(text) <= small.head && n + 3 <= small.line ? WIRE_DONE : WIRE_HEAD_LONG);
	}
}

static void a_request_in_parts(void **state)
{
	static const char text[] = "HEAD /v2/?n=1 HTTP/1.0\r\nHost:\t a:1 \r\nAccept: x\r\naccept: y\r\n\r\nGET /next";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct wire w;
		wire_init_request(&w, &limits, false);
		enum wire_result r = wire_feed(&w, text, cut, &head);
		if (r == WIRE_MORE)
			r = wire_feed(&w, text, sizeof(text) - 1, &head);
		assert_int_equal(r, WIRE_DONE);
		assert_int_equal(head.method, HTTP_HEAD);
		assert_int_equal(head.minor, 0);
		assert_true(sv_eq(head.target, SV("/v2/?n=1")));
		assert_true(sv_eq(http_head_value(&head, SV("hOST")), SV("a:1")));
		assert_int_equal(head.fields, 3);
		assert_int_equal(http_head_count(&head, SV("Accept")), 2);
		assert_false(head.keep_alive);
		assert_int_equal(head.framing, HTTP_BODY_NONE);
		assert_int_equal(head.bytes, sizeof(text) - 1 - strlen("GET /next"));
	}
}

/* What HTTP/1.0 says of it must be ignored (RFC 9110 10.1.1). */
static void whose_expectation_counts(void **state)
{
	(void)state;
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n"), WIRE_DONE);
	assert_true(head.expect_continue);
	assert_false(http_head_expects_else(&head));
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"), WIRE_DONE);
	assert_false(head.expect_continue);
	assert_true(http_head_expects_else(&head));
	assert_int_equal(request("GET / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), WIRE_DONE);
	assert_false(head.expect_continue);
}

/* Fed at once, where the usual is passed over, or byte by byte. */
static void assert_same_verdict(enum gate_side side, const struct gate_limits *l, const char *text, size_t n)
{
	struct gate whole, parts;
	enum gate_verdict v = GATE_MORE;

	gate_init(&whole, side, l);
	gate_init(&parts, side, l);
	const enum gate_verdict at_once = gate_feed(&whole, text, n);
	for (size_t i = 1; i <= n && v == GATE_MORE; i++)
		v = gate_feed(&parts, text, i);
	assert_int_equal(at_once, v);
	assert_int_equal(whole.used, parts.used);
	assert_int_equal(whole.fields, parts.fields);
	assert_int_equal(whole.line_used, parts.line_used);
	assert_ptr_equal(whole.why, parts.why);
}

static void heads_at_once_and_by_bytes(void **state)
{
	static const struct { enum gate_side side; const char *text; } heads[] = {
		{ GATE_REQUEST, "GET /v2/ HTTP/1.1\r\nHost: a\r\nA:\r\nBb: \tc d\r\n\r\nmore" },
		{ GATE_RESPONSE, "HTTP/1.1 200 OK\r\nServer: x\r\nA:\r\nBb: \tc d\r\n\r\nmore" },
	};
	static const char strangers[] = "\r\n \t:/019aH\x7f\x80\x1f";
	char text[80];

	(void)state;
	for (size_t h = 0; h < ARRAY_LEN(heads); h++) {
		const size_t n = strlen(heads[h].text);
		for (size_t line = 1; line < 24; line++)
			for (size_t whole = 1; whole < n + 2; whole++)
				for (unsigned fields = 0; fields < 5; fields++)
					assert_same_verdict(heads[h].side, &(struct gate_limits){ line, whole, fields }, heads[h].text, n);
		for (size_t at = 0; at < n; at++)
			for (size_t s = 0; s < sizeof(strangers); s++) { /* with the NUL */
				memcpy(text, heads[h].text, n);
				text[at] = strangers[s];
				assert_same_verdict(heads[h].side, &limits, text, n);
			}
	}
}

static void refusals_have_their_kinds(void **state)
{
	(void)state;
	assert_int_equal(request("\x16\x03\x01"), WIRE_TLS);
	assert_int_equal(request("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), WIRE_METHOD);
	assert_int_equal(request("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), WIRE_VERSION);
	assert_int_equal(request("GET / HTTP/1.1\r\n\r\n"), WIRE_HOST);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"), WIRE_BODY);
	assert_int_equal(request("GET / HTTP/1.1\nHost: a\n\n"), WIRE_BAD);
	assert_int_equal(request("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"), WIRE_DONE);
	assert_int_equal(head.method, HTTP_METHOD_OTHER);
	assert_true(sv_eq(head.method_text, SV("DELETE")));
}

static void framing_of_responses(void **state)
{
	static const struct { const char *text; bool to_head; enum http_framing framing; bool keep; } rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", false, HTTP_BODY_LENGTH, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", true, HTTP_BODY_NONE, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", false, HTTP_BODY_CHUNKED, true },
		{ "HTTP/1.1 200 OK\r\n\r\n", false, HTTP_BODY_CLOSE, false },
		{ "HTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n", false, HTTP_BODY_NONE, true },
		{ "HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n", false, HTTP_BODY_NONE, true },
		{ "HTTP/1.1 100 Go on\r\n\r\n", false, HTTP_BODY_NONE, true },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\n", false, HTTP_BODY_LENGTH, false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 7\r\nConnection: Keep-Alive\r\n\r\n", false, HTTP_BODY_LENGTH, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: x, close\r\n\r\n", false, HTTP_BODY_LENGTH, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(response(rows[i].text, rows[i].to_head), WIRE_DONE);
		assert_int_equal(head.framing, rows[i].framing);
		assert_int_equal(head.keep_alive, rows[i].keep);
	}
	assert_int_equal(response("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", false), WIRE_DONE);
	assert_true(head.content_length == INT64_MAX);
	assert_int_equal(response("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", false), WIRE_BAD);
}

static void hop_by_hop_fields(void **state)
{
	static const char *const hops[] = { "connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "upgrade",
		                            "Proxy-Authorization", "proxy-connection", "X-Named", "x-other" };
	static const char *const ends[] = { "Accept", "Authorization", "Range", "Connectionx", "Proxyx" };

	(void)state;
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-named ,, X-Other\r\n\r\n"), WIRE_DONE);
	for (size_t i = 0; i < ARRAY_LEN(hops); i++)
		assert_true(http_head_is_hop_by_hop(&head, sv_str(hops[i])));
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		assert_false(http_head_is_hop_by_hop(&head, sv_str(ends[i])));
	assert_true(http_head_has_token(&head, SV("Connection"), SV("X-Named")));
	assert_false(http_head_has_token(&head, SV("Connection"), SV("Named")));
	assert_true(http_is_token(SV("a!#$%&'*+-.^_`|~Z9")));
	assert_false(http_is_token(SV("")));
	assert_false(http_is_token(SV("a b")));
}

/* --- chunks ----------------------------------------------------------------------------------------------------- */

/* Feeds text in two pieces cut at `cut`; the body that came out, or NULL with the error. */
static const char *decode(const char *text, size_t n, size_t cut, int *ret_r, size_t *ret_used)
{
	static char body[70000];
	struct chunk c;
	size_t at = 0, out = 0;
	int r = 0;

	chunk_init(&c);
	while (at < n && r == 0) {
		size_t end = at < cut ? cut : n, used;
		struct strview data = SV_NONE;
		r = chunk_feed(&c, text + at, end - at, &used, &data);
		assert_true(used <= end - at);
		assert_true(used > 0 || r < 0);
		assert_true(out + data.n < sizeof(body));
		if (data.n)
			memcpy(body + out, data.p, data.n);
		out += data.n;
		at += used;
	}
	body[out] = '\0';
	assert_int_equal(chunk_ended(&c), r == 1);
	if (r < 0)
		assert_non_null(c.why);
	*ret_r = r;
	*ret_used = at;
	return body;
}

static void chunks_cut_anywhere(void **state)
{
	static const char text[] = "5\r\nhello\r\n0A;n=\"v\"\r\n, big worl\r\n1\r\nd\r\n000\r\nT: x\r\nU: y\r\n\r\nnext";
	size_t n = sizeof(text) - 1, used;
	int r;

	(void)state;
	for (size_t cut = 0; cut <= n; cut++) {
		const char *body = decode(text, n, cut, &r, &used);
		assert_int_equal(r, 1);
		assert_string_equal(body, "hello, big world");
		assert_int_equal(used, n - 4); /* what follows is the next message's */
	}
	for (size_t less = 0; less < n - 4; less++) { /* whatever is missing: not the end */
		(void)decode(text, less, 0, &r, &used);
		assert_int_equal(r, 0);
	}
}

static void chunk_limits(void **state)
{
	char text[CHUNK_TRAILER_MAX + 200];
	size_t used;
	int r;

	(void)state;
	for (size_t n = CHUNK_EXT_MAX - 2; n <= CHUNK_EXT_MAX + 2; n++) {
		int at = snprintf(text, sizeof(text), "1;");
		memset(text + at, 'a', n - 1); /* the ';' counts */
		at += (int)n - 1;
		at += snprintf(text + at, sizeof(text) - (size_t)at, "\r\nx\r\n0\r\n\r\n");
		(void)decode(text, (size_t)at, 0, &r, &used);
		assert_int_equal(r, n <= CHUNK_EXT_MAX ? 1 : -EBADMSG);
	}
	int at = snprintf(text, sizeof(text), "0\r\nT: ");
	memset(text + at, 'a', CHUNK_TRAILER_MAX);
	(void)decode(text, (size_t)at + CHUNK_TRAILER_MAX, 0, &r, &used);
	assert_int_equal(r, -EBADMSG);
	assert_string_equal(decode("7fffffffffffffff\r\nx", 19, 0, &r, &used), "x");
	assert_int_equal(r, 0);
	(void)decode("8000000000000000\r\nx", 19, 0, &r, &used);
	assert_int_equal(r, -EBADMSG);
	(void)decode("10000000000000000\r\n", 19, 0, &r, &used);
	assert_int_equal(r, -EBADMSG);
}

/* RFC 9110 5.6.2 and 5.5, RFC 3986 2, written as they are written there. */
static void octets_are_those_of_the_rfcs(void **state)
{
	static const char alnum[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char token[] = "!#$%&'*+-.^_`|~", uri[] = "-._~:/?[]@!$&'()*+,;=%";

	(void)state;
	for (int c = 0; c < 256; c++) {
		const bool letter = c && strchr(alnum, c);
		assert_int_equal(http_is_tchar((unsigned char)c), letter || (c && strchr(token, c)));
		assert_int_equal(http_is_target_byte((unsigned char)c), letter || (c && strchr(uri, c)));
		assert_int_equal(http_is_value_byte((unsigned char)c), c == '\t' || (c >= ' ' && c != 0x7f));
	}
}

/* Every byte at every place of a text of every length ends the span there, or does not. */
static void spans_end_at_the_first_stranger(void **state)
{
	char text[110]; /* longer than what is looked at byte by byte, eight and thirty-two at a time */

	(void)state;
	for (size_t n = 0; n <= sizeof(text); n++)
		for (size_t at = 0; at < n; at++)
			for (int c = 0; c < 256; c++) {
				memset(text, c & 1 ? 'a' : 0xa0, sizeof(text));
				text[at] = (char)c;
				assert_int_equal(http_span_value(text, n), http_is_value_byte((unsigned char)c) ? n : at);
				memset(text, 'a', sizeof(text));
				text[at] = (char)c;
				assert_int_equal(http_span(text, n, HTTP_TCHAR), http_is_tchar((unsigned char)c) ? n : at);
			}
	assert_int_equal(http_span("ab c", 4, HTTP_TCHAR), 2);
	assert_int_equal(http_span("ab", 2, HTTP_TCHAR), 2);
	assert_int_equal(http_span_value("ab\n", 2), 2);
}

/* Heads of two sides are read in one process, each with a limit of its own. */
static void a_small_limit_leaves_room_for_a_large_one(void **state)
{
	const struct gate_limits large = { .line = 2000, .head = 2000, .fields = 4 };
	const char *text = filled("HTTP/1.1 200 OK\r\nX: ", 'b', 1900, "\r\n\r\n");
	struct wire w;

	(void)state;
	wire_setup(large.head);
	wire_setup(limits.head);
	wire_init_response(&w, &large, false);
	assert_int_equal(wire_feed(&w, text, strlen(text), &head), WIRE_DONE);
}

static int setup(void **state)
{
	(void)state;
	wire_setup(limits.head);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_to_the_byte),
		cmocka_unit_test(whole_head_to_the_byte),
		cmocka_unit_test(a_request_in_parts),
		cmocka_unit_test(whose_expectation_counts),
		cmocka_unit_test(heads_at_once_and_by_bytes),
		cmocka_unit_test(refusals_have_their_kinds),
		cmocka_unit_test(framing_of_responses),
		cmocka_unit_test(hop_by_hop_fields),
		cmocka_unit_test(chunks_cut_anywhere),
		cmocka_unit_test(chunk_limits),
		cmocka_unit_test(octets_are_those_of_the_rfcs),
		cmocka_unit_test(spans_end_at_the_first_stranger),
		cmocka_unit_test(a_small_limit_leaves_room_for_a_large_one),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
