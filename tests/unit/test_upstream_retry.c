/* When the next attempt begins, and when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "retry.h"

#define LONG_MS 25000

static void pauses_grow_with_jitter_and_end(void **state)
{
	(void)state;
	for (unsigned jitter = 0; jitter < 1000; jitter += 333) {
		struct retry r = { 0 };
		uint64_t pause = 0, total = 0, before = 0;
		unsigned attempts = 1;
		while (retry_decide(&r, RETRY_CAUSE_PASSING, LONG_MS, jitter, &pause) == RETRY_LATER) {
			assert_true(pause >= 100 && pause > before);
			before = pause;
			total += pause;
			attempts++;
		}
		assert_int_equal(attempts, RETRY_ATTEMPTS);
		assert_in_range(total, 400, 600);
	}
}

static void a_stale_connection_costs_no_attempt_but_not_for_ever(void **state)
{
	struct retry r = { 0 };
	uint64_t pause;

	(void)state;
	for (unsigned i = 0; i < RETRY_FRESH_MAX; i++)
		assert_int_equal(retry_decide(&r, RETRY_CAUSE_STALE, LONG_MS, 0, &pause), RETRY_AT_ONCE);
	assert_int_equal(r.failed, 0);
	assert_int_equal(retry_decide(&r, RETRY_CAUSE_STALE, LONG_MS, 0, &pause), RETRY_LATER);
}

static void no_attempt_beyond_the_budget(void **state)
{
	struct retry r = { 0 };
	uint64_t pause;

	(void)state;
	assert_int_equal(retry_decide(&r, RETRY_CAUSE_PASSING, 100, 0, &pause), RETRY_NOT);
	r = (struct retry){ 0 };
	assert_int_equal(retry_decide(&r, RETRY_CAUSE_PASSING, 101, 0, &pause), RETRY_LATER);
	r = (struct retry){ 0 };
	assert_int_equal(retry_decide(&r, RETRY_CAUSE_STALE, 0, 0, &pause), RETRY_NOT);
}

static void what_stays_is_not_tried_again(void **state)
{
	struct retry r = { 0 };
	uint64_t pause;

	(void)state;
	assert_int_equal(retry_decide(&r, RETRY_CAUSE_FINAL, LONG_MS, 0, &pause), RETRY_NOT);
}

static void pauses_before_resuming_grow_to_a_limit(void **state)
{
	(void)state;
	for (unsigned jitter = 0; jitter < 1000; jitter += 333) {
		uint64_t before = 0;
		for (unsigned attempt = 1; attempt <= 6; attempt++) {
			uint64_t pause = retry_resume_pause_ms(attempt, jitter);
			assert_true(pause >= RESUME_PAUSE_MS && pause > before);
			before = pause;
		}
		assert_in_range(before, 3200, RESUME_PAUSE_MAX_MS);
		for (unsigned attempt = 7; attempt < 1000000; attempt *= 3)
			assert_int_equal(retry_resume_pause_ms(attempt, jitter), RESUME_PAUSE_MAX_MS);
	}
	assert_int_equal(retry_resume_pause_ms(1, 0), RESUME_PAUSE_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_grow_with_jitter_and_end),
		cmocka_unit_test(a_stale_connection_costs_no_attempt_but_not_for_ever),
		cmocka_unit_test(no_attempt_beyond_the_budget),
		cmocka_unit_test(what_stays_is_not_tried_again),
		cmocka_unit_test(pauses_before_resuming_grow_to_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
