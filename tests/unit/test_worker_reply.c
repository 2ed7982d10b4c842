/* Own answers, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "http_date.h"
#include "reply.h"
#include "request_id.h"

#define WHEN 784111777000ull /* Sun, 06 Nov 1994 08:49:37 GMT */

static size_t body_bytes;

static const char *render(const struct reply *r)
{
	static uint8_t mem[REPLY_MAX];
	struct buf b = { .mem = mem, .cap = sizeof(mem) - 1 };

	assert_true(reply_put(&b, r, &body_bytes));
	mem[b.end] = '\0';
	return (const char *)mem;
}

static void whole_answer(void **state)
{
	const struct reply r = { .id = ERROR_REQUEST_METHOD, .text = SV("only GET and HEAD pass: this relay only pulls"),
		                 .request_id = SV("abc-123"), .wall_ms = WHEN };
	const char *body = "{\"errors\":[{\"code\":\"UNSUPPORTED\","
			   "\"message\":\"only GET and HEAD pass: this relay only pulls\",\"detail\":{\"id\":\"request-method\","
			   "\"cause\":\"A push or delete through the relay.\",\"fix\":\"Push to the registry itself.\","
			   "\"request\":\"abc-123\"}}]}\n";
	char expected[REPLY_MAX];

	(void)state;
	(void)snprintf(expected, sizeof(expected),
	               "HTTP/1.1 405 only GET and HEAD pass: this relay only pulls\r\n"
	               "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	               "X-Regrelay-Error: request-method\r\n"
	               "Warning: 299 - \"only GET and HEAD pass: this relay only pulls\"\r\n"
	               "Allow: GET, HEAD\r\nX-Request-Id: abc-123\r\n\r\n%s", strlen(body), body);
	assert_string_equal(render(&r), expected);
	assert_int_equal(body_bytes, strlen(body));
}

static void head_has_the_length_and_no_body(void **state)
{
	struct reply r = { .id = ERROR_TUNNEL_DOWN, .text = SV("text"), .wall_ms = WHEN };
	char with_body[REPLY_MAX];

	(void)state;
	(void)snprintf(with_body, sizeof(with_body), "%s", render(&r));
	r.head = true;
	const char *head = render(&r);
	assert_true(sv_ends(sv_str(head), SV("\r\n\r\n")));
	assert_int_equal(body_bytes, 0);
	assert_memory_equal(head, with_body, strlen(head));
}

static void what_belongs_to_a_status(void **state)
{
	(void)state;
	for (unsigned id = ERROR_NONE + 1; id < ERROR_IDS; id++) {
		char text[ERROR_TEXT_MAX];
		const struct error_context c = { SV("p:1"), SV("v:2"), SV("L"), SV("/v2/"), SV("d") };
		error_render(id, &c, text);
		const struct reply r = { .id = id, .text = sv_str(text), .wall_ms = WHEN, .close = id % 2 };
		const struct strview answer = sv_str(render(&r));
		const unsigned status = reply_status(&r);
		assert_int_equal(sv_contains(answer, SV("Retry-After: 5\r\n")), status == 503 || status == 504);
		assert_int_equal(sv_contains(answer, SV("Allow: ")), status == 405);
		assert_int_equal(sv_contains(answer, SV("Connection: close\r\n")), id % 2);
		assert_false(sv_contains(answer, SV("X-Request-Id")));
		assert_true(status != 401 && status != 429);
	}
}

static void quotes_are_escaped(void **state)
{
	const struct reply r = { .id = ERROR_DENIED, .text = SV("say \"a\\b\""), .wall_ms = WHEN };

	(void)state;
	const struct strview answer = sv_str(render(&r));
	assert_true(sv_contains(answer, SV("HTTP/1.1 403 say \"a\\b\"\r\n")));
	assert_true(sv_contains(answer, SV("Warning: 299 - \"say \\\"a\\\\b\\\"\"\r\n")));
	assert_true(sv_contains(answer, SV("\"message\":\"say \\\"a\\\\b\\\"\"")));
}

static void longest_reply_fits_and_a_short_buffer_gets_nothing(void **state)
{
	char text[ERROR_TEXT_MAX], id[129];

	(void)state;
	memset(text, '"', sizeof(text) - 1);
	memset(id, 'i', sizeof(id) - 1);
	const struct reply r = { .id = ERROR_BACKEND_UNREACHABLE, .text = sv_make(text, sizeof(text) - 1),
		                 .request_id = sv_make(id, sizeof(id) - 1), .wall_ms = WHEN, .close = true };
	(void)render(&r);
	for (size_t cap = 1; cap < 1500; cap += 7) {
		uint8_t mem[1500];
		struct buf b = { .mem = mem, .cap = cap, .end = 1 };
		assert_false(reply_put(&b, &r, &body_bytes));
		assert_int_equal(buf_len(&b), 1);
	}
}

static void dates(void **state)
{
	char text[HTTP_DATE_MAX];

	(void)state;
	http_date(WHEN + 999, text);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	http_date(951782400000ull, text);
	assert_string_equal(text, "Tue, 29 Feb 2000 00:00:00 GMT");
	http_date(UINT64_MAX, text);
	assert_int_equal(strlen(text), HTTP_DATE_MAX - 1);
}

static void request_ids(void **state)
{
	char a[REQUEST_ID_MADE], b[REQUEST_ID_MADE], long_one[129];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		request_id_make(a);
		request_id_make(b);
		assert_int_equal(strspn(a, "0123456789abcdef"), 32);
		assert_string_not_equal(a, b);
	}
	memset(long_one, 'x', sizeof(long_one));
	assert_true(request_id_ok(sv_make(long_one, 128)));
	assert_false(request_id_ok(sv_make(long_one, 129)));
	assert_true(request_id_ok(SV("0af7651916cd-43dd.A/B:c+d=_")));
	assert_false(request_id_ok(SV("")));
	assert_false(request_id_ok(SV("a b")));
	assert_false(request_id_ok(SV("a\"b")));
	assert_false(request_id_ok(sv_make("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_answer),
		cmocka_unit_test(head_has_the_length_and_no_body),
		cmocka_unit_test(what_belongs_to_a_status),
		cmocka_unit_test(quotes_are_escaped),
		cmocka_unit_test(longest_reply_fits_and_a_short_buffer_gets_nothing),
		cmocka_unit_test(dates),
		cmocka_unit_test(request_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
