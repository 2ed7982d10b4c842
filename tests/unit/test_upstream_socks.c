/* SOCKS5 byte for byte, in pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "socks.h"

static struct conf_proxy proxy;
static struct url_hostport target;
static struct socks s;
static struct buf in, out;
static uint8_t in_mem[1024], out_mem[SOCKS_OUT_MAX];

#define BYTES(text) text, sizeof(text) - 1

static int setup(void **state)
{
	(void)state;
	proxy = (struct conf_proxy){ .socks_method = { CONF_SOCKS_NONE }, .socks_method_count = 1 };
	target = (struct url_hostport){ .host = "registry.corp", .port = 443 };
	s = (struct socks){ .proxy = &proxy, .target = &target, .location_id = "" };
	in = (struct buf){ .mem = in_mem, .cap = sizeof(in_mem) };
	out = (struct buf){ .mem = out_mem, .cap = sizeof(out_mem) };
	return 0;
}

static void said(const char *bytes, size_t n)
{
	const struct strview got = buf_view(&out);

	assert_int_equal(got.n, n);
	assert_memory_equal(got.p, bytes, n);
	buf_clear(&out);
}

static enum socks_result hear(const char *bytes, size_t n)
{
	assert_true(buf_put(&in, sv_make(bytes, n)));
	return socks_feed(&s, &in, &out);
}

/* All but the last byte one by one: each is too few. */
static enum socks_result hear_slowly(const char *bytes, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		assert_int_equal(hear(bytes + i, 1), SOCKS_MORE);
	return hear(bytes + n - 1, 1);
}

static void without_authentication(void **state)
{
	(void)state;
	assert_true(socks_begin(&s, &out));
	said(BYTES("\x05\x01\x00"));
	assert_int_equal(hear_slowly(BYTES("\x05\x00")), SOCKS_SAY);
	said(BYTES("\x05\x01\x00\x03\x0dregistry.corp\x01\xbb"));
	assert_int_equal(hear_slowly(BYTES("\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34")), SOCKS_OPEN);
	assert_int_equal(buf_len(&in), 0);
}

static void token_and_location_id(void **state)
{
	(void)state;
	proxy.socks_method[0] = CONF_SOCKS_JWT;
	s.token = SV("a.b.c");
	s.location_id = "PLANT 7";
	target = (struct url_hostport){ .host = "10.1.2.3", .port = 5000, .literal = true };
	assert_true(socks_begin(&s, &out));
	said(BYTES("\x05\x01\x80"));
	assert_int_equal(hear(BYTES("\x05\x80")), SOCKS_SAY);
	said(BYTES("\x01\x00\x00\x00\x05" "a.b.c" "\x0cUExBTlQgNw=="));
	assert_int_equal(hear(BYTES("\x01\x00")), SOCKS_SAY);
	said(BYTES("\x05\x01\x00\x01\x0a\x01\x02\x03\x13\x88"));
	assert_int_equal(hear_slowly(BYTES("\x05\x00\x00\x03\x04" "host" "\x00\x01")), SOCKS_OPEN);
}

static void none_of_both_is_an_empty_location_id(void **state)
{
	(void)state;
	proxy = (struct conf_proxy){ .socks_method = { CONF_SOCKS_NONE, CONF_SOCKS_JWT }, .socks_method_count = 2 };
	s.token = SV("t");
	assert_true(socks_begin(&s, &out));
	said(BYTES("\x05\x02\x00\x80"));
	assert_int_equal(hear(BYTES("\x05\x80")), SOCKS_SAY);
	said(BYTES("\x01\x00\x00\x00\x01t\x00"));
	assert_int_equal(hear(BYTES("\x01\x01")), SOCKS_LOGIN_FAILED);
}

static void what_else_may_be_said_first(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum socks_result result;
	} rows[] = {
		{ BYTES("\x05\xff"), SOCKS_NO_METHOD }, { BYTES("\x05\x02"), SOCKS_GARBAGE }, { BYTES("\x05\x80"), SOCKS_GARBAGE },
		{ BYTES("\x04"), SOCKS_GARBAGE }, { BYTES("HTTP/1.1 400"), SOCKS_GARBAGE }, { BYTES("\x05"), SOCKS_MORE },
		{ BYTES("\x05\x00\x05"), SOCKS_EARLY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)setup(state);
		assert_true(socks_begin(&s, &out));
		buf_clear(&out);
		if (hear(rows[i].bytes, rows[i].n) != rows[i].result)
			fail_msg("row %zu", i);
	}
}

static void replies(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum socks_result result;
	} rows[] = {
		{ BYTES("\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"), SOCKS_REFUSED }, { BYTES("\x05\xff"), SOCKS_REFUSED },
		{ BYTES("\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00"), SOCKS_GARBAGE },
		{ BYTES("\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00"), SOCKS_GARBAGE },
		{ BYTES("\x05\x00\x01\x01\x00\x00\x00\x00\x00\x00"), SOCKS_GARBAGE },
		{ BYTES("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00x"), SOCKS_EARLY },
		{ BYTES("\x05\x00\x00\x03\x00\x00\x00"), SOCKS_OPEN },
		{ BYTES("\x05\x00\x00\x04" "0123456789abcdef" "\x00\x00"), SOCKS_OPEN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)setup(state);
		assert_true(socks_begin(&s, &out));
		assert_int_equal(hear(BYTES("\x05\x00")), SOCKS_SAY);
		if (hear(rows[i].bytes, rows[i].n) != rows[i].result)
			fail_msg("row %zu", i);
	}
	assert_string_equal(socks_reply_text(2), "no such mapping");
	assert_string_equal(socks_reply_text(255), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_authentication, setup),
		cmocka_unit_test_setup(token_and_location_id, setup),
		cmocka_unit_test_setup(none_of_both_is_an_empty_location_id, setup),
		cmocka_unit_test(what_else_may_be_said_first),
		cmocka_unit_test(replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
