/* post_answer: what is whole, what is refused, and how far it has come when the bytes come one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "post_answer.h"

#define CAP (2 * POST_BODY_MAX)

static uint8_t in_mem[CAP], text_mem[CAP];

struct reader {
	struct post_answer answer;
	struct buf in, text;
};

static void begin(struct reader *r)
{
	*r = (struct reader){ .in = { .mem = in_mem, .cap = CAP }, .text = { .mem = text_mem, .cap = CAP } };
	post_answer_init(&r->answer);
}

/* The result after the last byte; all before it must want more. */
static int feed(struct reader *r, const char *bytes, size_t n, size_t step)
{
	int result = 0;

	for (size_t at = 0; at < n; at += step) {
		assert_int_equal(result, 0);
		assert_true(buf_put(&r->in, sv_make(bytes + at, step < n - at ? step : n - at)));
		result = post_answer_take(&r->answer, &r->in, &r->text);
	}
	return result;
}

static void expect_whole(const char *bytes, unsigned status, const char *body)
{
	const size_t n = strlen(bytes), steps[] = { 1, 2, 3, 7, n };
	struct reader r;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		begin(&r);
		assert_int_equal(feed(&r, bytes, n, steps[i]), 1);
		assert_int_equal(r.answer.head.status, status);
		assert_true(sv_eq(buf_view(&r.text), sv_str(body)));
		assert_false(post_answer_ends(&r.answer));
	}
}

static void test_whole(void **state)
{
	(void)state;
	expect_whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello");
	expect_whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n{}", 401, "{}");
	expect_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, "hello");
	expect_whole("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
}

/* Bytes behind the body are no part of it (RFC 9112 6.2). */
static void test_a_body_is_as_long_as_its_length_says(void **state)
{
	const char more[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", none[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore";
	struct reader r;

	(void)state;
	begin(&r);
	assert_int_equal(feed(&r, more, strlen(more), strlen(more)), 1);
	assert_true(sv_eq(buf_view(&r.text), SV("hello")));
	begin(&r);
	assert_int_equal(feed(&r, none, strlen(none), strlen(none)), 1);
	assert_int_equal(buf_len(&r.text), 0);
}

static void test_without_a_length_it_ends_with_the_connection(void **state)
{
	struct reader r;
	const char head[] = "HTTP/1.1 200 OK\r\n", rest[] = "\r\nhello";

	(void)state;
	begin(&r);
	assert_int_equal(feed(&r, head, strlen(head), strlen(head)), 0);
	assert_false(post_answer_ends(&r.answer));
	assert_int_equal(feed(&r, rest, strlen(rest), 1), 0);
	assert_true(post_answer_ends(&r.answer));
	assert_true(sv_eq(buf_view(&r.text), sv_str("hello")));
}

static void test_half_a_body_does_not_end_with_it(void **state)
{
	struct reader r;
	const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";

	(void)state;
	begin(&r);
	assert_int_equal(feed(&r, half, strlen(half), 7), 0);
	assert_true(r.answer.in_body);
	assert_false(post_answer_ends(&r.answer));
}

static void expect_refused(const char *bytes, size_t n, const char *what)
{
	struct reader r;

	begin(&r);
	assert_int_equal(feed(&r, bytes, n, n), -EBADMSG);
	assert_string_equal(r.answer.what, what);
	assert_non_null(r.answer.why);
}

static void test_refused(void **state)
{
	(void)state;
#define REFUSED(bytes, what) expect_refused(bytes, strlen(bytes), what)
	REFUSED("SSH-2.0-OpenSSH_9.2\r\n\r\n", "answers with no HTTP");
#define C "HTTP/1.1 100 Continue\r\n\r\n"
	REFUSED(C C C C C C C C C, "answers with too many interim heads");
#undef C
	REFUSED("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n", "answers with more than 64 KiB");
	REFUSED("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "answers with a malformed or too large body");
#undef REFUSED
}

/* Head, then n bytes of body, in one piece. */
static int with_body(struct reader *r, const char *head, const char *frame, size_t n)
{
	static char bytes[CAP];
	const size_t at = (size_t)snprintf(bytes, sizeof(bytes), "%s%s", head, frame);

	memset(bytes + at, 'x', n);
	begin(r);
	return feed(r, bytes, at + n, at + n);
}

static void test_the_bound_holds_for_every_framing(void **state)
{
	const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", plain[] = "HTTP/1.1 200 OK\r\n\r\n";
	struct reader r;

	(void)state;
	assert_int_equal(with_body(&r, plain, "", POST_BODY_MAX), 0);
	assert_int_equal(buf_len(&r.text), POST_BODY_MAX);
	assert_int_equal(with_body(&r, plain, "", POST_BODY_MAX + 1), -EBADMSG);
	assert_int_equal(with_body(&r, chunked, "10000\r\n", POST_BODY_MAX), 0);
	assert_int_equal(buf_len(&r.text), POST_BODY_MAX);
	assert_int_equal(with_body(&r, chunked, "10001\r\n", POST_BODY_MAX + 1), -EBADMSG);
}

static int setup(void **state)
{
	(void)state;
	wire_setup(POST_HEAD_MAX);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_a_body_is_as_long_as_its_length_says),
		cmocka_unit_test(test_without_a_length_it_ends_with_the_connection),
		cmocka_unit_test(test_half_a_body_does_not_end_with_it),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_the_bound_holds_for_every_framing),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
