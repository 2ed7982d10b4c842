/* Descriptors: what a worker may have of clients and pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "budget.h"

static struct budget with_limit(rlim_t soft, unsigned held)
{
	const struct budget wanted = { .clients = 100, .pipes = 64 };
	struct rlimit before, low;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = soft;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	const struct budget can = budget_make(wanted, held);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	return can;
}

static void the_soft_limit_is_raised(void **state)
{
	const struct budget can = with_limit(64, 10);

	(void)state;
	assert_int_equal(can.clients, 100);
	assert_int_equal(can.pipes, 64);
}

/* All that is promised fits. */
static void what_is_short_is_shared_out(void **state)
{
	struct rlimit hard;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &hard), 0);
	for (rlim_t n = 393; n >= 66; n -= 3) {
		const struct rlimit low = { n, n };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		const struct budget can = budget_make((struct budget){ .clients = 100, .pipes = 64 }, 2);
		assert_true(can.clients >= 1 && can.clients <= 100 && can.pipes <= 64);
		assert_true(can.clients * BUDGET_A_CLIENT + can.pipes * BUDGET_A_PIPE + BUDGET_OTHERS + 2 <= (n < 68 ? 68 : n));
		assert_true(can.pipes * BUDGET_A_PIPE * BUDGET_PIPES <= n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_soft_limit_is_raised),
		cmocka_unit_test(what_is_short_is_shared_out), /* the last: it lowers the hard limit for good */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
