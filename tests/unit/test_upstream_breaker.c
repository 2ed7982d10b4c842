/* The circuit breaker: when it opens, who may try, how it closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "breaker.h"

static void opened(struct breaker *b, unsigned limit)
{
	breaker_init(b, limit);
	for (unsigned i = 1; i < limit; i++)
		assert_false(breaker_failed(b, 1000, 0));
	assert_true(breaker_failed(b, 1000, 0));
}

static void test_failures_in_a_row_open_it(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, 3);
	assert_false(breaker_failed(&b, 1, 0));
	assert_false(breaker_failed(&b, 2, 0));
	assert_false(breaker_good(&b)); /* the row ends */
	assert_false(breaker_failed(&b, 3, 0));
	assert_false(breaker_failed(&b, 4, 0));
	assert_int_equal(breaker_ask(&b, 4), BREAKER_GO);
	assert_true(breaker_failed(&b, 5, 0));
	assert_int_equal(breaker_ask(&b, 5), BREAKER_OPEN);
}

static void test_one_at_a_time_may_try(void **state)
{
	struct breaker b;

	(void)state;
	opened(&b, 2);
	assert_int_equal(breaker_ask(&b, 1000 + BREAKER_PAUSE_MIN_MS - 1), BREAKER_OPEN);
	assert_int_equal(breaker_ask(&b, 1000 + BREAKER_PAUSE_MIN_MS), BREAKER_TRY);
	assert_int_equal(breaker_ask(&b, 1000 + BREAKER_PAUSE_MIN_MS), BREAKER_OPEN);
	breaker_untried(&b);
	assert_int_equal(breaker_ask(&b, 1000 + BREAKER_PAUSE_MIN_MS), BREAKER_TRY);
	assert_true(breaker_good(&b));
	assert_int_equal(breaker_ask(&b, 1501), BREAKER_GO);
}

static void test_the_pause_grows_to_a_bound(void **state)
{
	struct breaker b;
	uint64_t now = 1000, last = 0;

	(void)state;
	opened(&b, 2);
	for (int i = 0; i < 20; i++) {
		const uint64_t pause = b.until_ms - now;
		assert_true(pause >= last && pause <= BREAKER_PAUSE_MAX_MS);
		last = pause;
		now = b.until_ms;
		assert_int_equal(breaker_ask(&b, now), BREAKER_TRY);
		assert_false(breaker_failed(&b, now, 0)); /* it was open already */
	}
	assert_int_equal(last, BREAKER_PAUSE_MAX_MS);
	assert_true(breaker_good(&b));
	assert_false(breaker_failed(&b, now, 0)); /* begins anew */
}

static void test_jitter_takes_up_to_a_quarter_off(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, 1);
	assert_true(breaker_failed(&b, 1000, 999));
	assert_in_range(b.until_ms, 1000 + BREAKER_PAUSE_MIN_MS * 3 / 4, 1000 + BREAKER_PAUSE_MIN_MS * 3 / 4 + 1);
}

static void test_old_attempts_do_not_make_it_longer(void **state)
{
	struct breaker b;

	(void)state;
	opened(&b, 2);
	const uint64_t until = b.until_ms;
	for (int i = 0; i < 100; i++)
		assert_false(breaker_failed(&b, 1100, 0));
	assert_int_equal(b.until_ms, until);
}

static void test_without(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, 0);
	for (int i = 0; i < 1000; i++)
		assert_false(breaker_failed(&b, 1, 0));
	assert_int_equal(breaker_ask(&b, 1), BREAKER_GO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures_in_a_row_open_it),
		cmocka_unit_test(test_one_at_a_time_may_try),
		cmocka_unit_test(test_the_pause_grows_to_a_bound),
		cmocka_unit_test(test_jitter_takes_up_to_a_quarter_off),
		cmocka_unit_test(test_old_attempts_do_not_make_it_longer),
		cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
