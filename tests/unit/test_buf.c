/* Buffers: the window, its limits, the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "buf.h"
#include "num.h"

static struct bufpool pool;

static int setup(void **state)
{
	(void)state;
	bufpool_init(&pool, 64, 2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(pool.in_use, 0);
	bufpool_done(&pool);
	return 0;
}

static void test_window(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(buf_borrow(&b, &pool), 0);
	assert_true(buf_sane(&b));
	assert_true(buf_put(&b, SV("hello world")));
	buf_consume(&b, 6);
	assert_true(sv_eq(buf_view(&b), SV("world")));
	assert_int_equal(buf_room(&b), 64 - 11);
	buf_compact(&b);
	assert_true(sv_eq(buf_view(&b), SV("world")));
	assert_int_equal(buf_room(&b), 64 - 5);
	buf_consume(&b, 5);
	assert_int_equal(b.start, 0); /* an empty window goes back to the front by itself */
	assert_int_equal(b.end, 0);
	buf_return(&b, &pool);
	assert_null(b.mem);
}

static void test_put_is_all_or_nothing(void **state)
{
	struct buf b = { 0 };
	char big[65] = { 0 };

	(void)state;
	assert_false(buf_put(&b, SV("x")));
	assert_true(buf_put(&b, SV_NONE));
	assert_int_equal(buf_borrow(&b, &pool), 0);
	assert_false(buf_put(&b, sv_make(big, 65)));
	assert_int_equal(buf_len(&b), 0);
	assert_true(buf_put(&b, sv_make(big, 64)));
	assert_false(buf_put(&b, SV("x")));
	buf_return(&b, &pool);
}

static void test_printf_is_all_or_nothing(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(buf_borrow(&b, &pool), 0);
	assert_true(buf_printf(&b, "%s: %d", "n", 42));
	assert_true(sv_eq(buf_view(&b), SV("n: 42")));
	assert_false(buf_printf(&b, "%060d", 1));
	assert_true(sv_eq(buf_view(&b), SV("n: 42")));
	assert_true(buf_put_number(&b, 0) && buf_put_number(&b, UINT64_MAX));
	assert_true(sv_eq(buf_view(&b), SV("n: 42018446744073709551615")));
	while (buf_room(&b) >= NUM_DIGITS)
		assert_true(buf_put_number(&b, UINT64_MAX));
	const size_t before = buf_len(&b);
	assert_false(buf_put_number(&b, UINT64_MAX));
	assert_int_equal(buf_len(&b), before);
	buf_return(&b, &pool);
}

static void test_pool_keeps_a_few(void **state)
{
	struct buf b[4] = { 0 };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(buf_borrow(&b[i], &pool), 0);
	assert_int_equal(buf_borrow(&b[0], &pool), 0); /* has some already */
	assert_int_equal(pool.in_use, 4);
	for (size_t i = 0; i < 4; i++)
		buf_return(&b[i], &pool);
	buf_return(&b[0], &pool);
	assert_int_equal(pool.spare, 2);
	assert_int_equal(buf_borrow(&b[0], &pool), 0);
	assert_int_equal(pool.spare, 1);
	buf_return(&b[0], &pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_is_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_printf_is_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pool_keeps_a_few, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
