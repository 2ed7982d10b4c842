/* Strict reading of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "num.h"

#define UNTOUCHED 0xfeedu

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int r;
		uint64_t value;
	} rows[] = {
		{ "0", 10, 0, 0 },
		{ "10", 10, 0, 10 },
		{ "11", 10, -ERANGE, 0 },
		{ "007", 10, 0, 7 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999", UINT64_MAX, -ERANGE, 0 },
		{ "", 10, -EINVAL, 0 }, { "-1", 10, -EINVAL, 0 }, { "+1", 10, -EINVAL, 0 },
		{ " 1", 10, -EINVAL, 0 }, { "1 ", 10, -EINVAL, 0 }, { "0x1", 10, -EINVAL, 0 },
		{ "1e3", 10, -EINVAL, 0 }, { "\xb2", 10, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = UNTOUCHED;
		assert_int_equal(num_u64(sv_str(rows[i].text), rows[i].max, &v), rows[i].r);
		assert_true(v == (rows[i].r < 0 ? UNTOUCHED : rows[i].value));
	}
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 0 }, { "512", 0, 512 }, { "32K", 0, 32768 }, { "1m", 0, 1 << 20 }, { "2G", 0, 2ull << 30 },
		{ "17179869183G", 0, 17179869183ull << 30 }, { "17179869184G", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "K", -EINVAL, 0 }, { "1 K", -EINVAL, 0 }, { "1KB", -EINVAL, 0 },
		{ "1.5K", -EINVAL, 0 }, { "1T", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = UNTOUCHED;
		assert_int_equal(num_size(sv_str(rows[i].text), &v), rows[i].r);
		assert_true(v == (rows[i].r < 0 ? UNTOUCHED : rows[i].value));
	}
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t ms;
	} rows[] = {
		{ "0", 0, 0 }, { "5", 0, 5000 }, { "300ms", 0, 300 }, { "5min 20s", 0, 320000 },
		{ "5min20s", 0, 320000 }, { " 2 h ", 0, 7200000 }, { "1.5s", 0, 1500 }, { "0.25h", 0, 900000 },
		{ "1d", 0, 86400000 }, { "2 minutes 1 second", 0, 121000 }, { "36600d", 0, 3162240000000 },
		{ "36601d", -ERANGE, 0 }, { "36600d 1ms", -ERANGE, 0 }, { "99999999999999999999s", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "s", -EINVAL, 0 }, { "-1s", -EINVAL, 0 }, { "5us", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 }, { "1.2345s", -EINVAL, 0 }, { ".5s", -EINVAL, 0 }, { "5S", -EINVAL, 0 },
		{ "5 weeks", -EINVAL, 0 }, { "5s,", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = UNTOUCHED;
		if (num_duration(sv_str(rows[i].text), &v) != rows[i].r)
			fail_msg("'%s'", rows[i].text);
		assert_true(v == (rows[i].r < 0 ? UNTOUCHED : rows[i].ms));
	}
}

static void test_put_is_read_again(void **state)
{
	static const uint64_t values[] = { 0, 9, 10, 99, 100, 12345, 999999999, 1000000000, UINT64_MAX - 1, UINT64_MAX };
	char text[NUM_DIGITS];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		uint64_t v = UNTOUCHED;
		size_t n = num_put(text, values[i]);
		assert_int_equal(num_u64(sv_make(text, n), UINT64_MAX, &v), 0);
		assert_true(v == values[i]);
		assert_true(n == 1 || text[0] != '0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_put_is_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
