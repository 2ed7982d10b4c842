/* The table of live pulls: rows come and go, a dead owner leaves nothing, a full table is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "pulls.h"

static struct pulls_table table;
static struct pulls pulls;

static int setup(void **state)
{
	(void)state;
	table = (struct pulls_table){ 0 };
	pulls_init(&pulls, &table);
	return 0;
}

static unsigned live(void)
{
	struct pull p;
	unsigned n = 0;

	for (unsigned i = 0; i < pulls_high(&table); i++)
		n += pulls_read(&table, i, &p);
	return n;
}

static void rows_come_and_go(void **state)
{
	const struct pull_texts first = { .client = "10.0.0.1", .user = "alice", .repository = "team/app", .reference = "t1" };
	const struct pull_texts second = { .client = "10.0.0.2", .route = "blob" };
	struct pull p;

	(void)state;
	assert_int_equal(pulls_high(&table), 0);
	struct pull_entry *a = pulls_begin(&pulls, &first, 1000), *b = pulls_begin(&pulls, &second, 2000);
	assert_int_equal(pulls_high(&table), 2);
	atomic_store(&a->bytes, 17);
	pulls_waits(a, "bytes of the body");
	assert_true(pulls_read(&table, 0, &p));
	assert_string_equal(p.texts.client, "10.0.0.1");
	assert_string_equal(p.texts.user, "alice");
	assert_string_equal(p.texts.waits_for, "bytes of the body");
	assert_int_equal(p.bytes, 17);
	assert_true(p.total == PULLS_UNKNOWN);
	assert_int_equal(p.began_ms, 1000);
	pulls_end(&pulls, a);
	assert_false(pulls_read(&table, 0, &p));
	assert_true(pulls_read(&table, 1, &p));
	assert_string_equal(p.texts.route, "blob");
	struct pull_entry *again = pulls_begin(&pulls, &second, 3000);
	assert_ptr_equal(again, a);
	assert_true(pulls_read(&table, 0, &p));
	assert_string_equal(p.texts.waits_for, "");
	assert_int_equal(p.bytes, 0);
	pulls_end(&pulls, again);
	pulls_end(&pulls, b);
	assert_int_equal(live(), 0);
}

static void full_table_is_counted(void **state)
{
	static struct pull_entry *e[PULLS_A_SLOT];
	const struct pull_texts t = { .client = "x" };

	(void)state;
	for (unsigned i = 0; i < PULLS_A_SLOT; i++)
		assert_non_null(e[i] = pulls_begin(&pulls, &t, 1));
	assert_null(pulls_begin(&pulls, &t, 1));
	pulls_waits(NULL, "nothing happens");
	assert_int_equal(atomic_load(&table.unlisted), 1);
	assert_int_equal(live(), PULLS_A_SLOT);
	pulls_end(&pulls, NULL);
	assert_int_equal(atomic_load(&table.unlisted), 0);
	for (unsigned i = 0; i < PULLS_A_SLOT; i++)
		pulls_end(&pulls, e[i]);
	assert_int_equal(live(), 0);
	assert_int_equal(pulls.frees, PULLS_A_SLOT);
}

static void dead_owner_leaves_nothing(void **state)
{
	const struct pull_texts t = { .client = "x" };
	struct pull p;

	(void)state;
	struct pull_entry *e = pulls_begin(&pulls, &t, 1);
	assert_non_null(pulls_begin(&pulls, &t, 1));
	atomic_fetch_add(&e->seq, 1); /* died while it wrote */
	assert_false(pulls_read(&table, 0, &p));
	pulls_reset(&table);
	assert_int_equal(live(), 0);
	pulls_init(&pulls, &table);
	assert_ptr_equal(pulls_begin(&pulls, &t, 1), e);
	assert_true(pulls_read(&table, 0, &p));
}

static void what_a_broken_owner_wrote_is_bounded(void **state)
{
	const struct pull_texts t = { .client = "x" };
	struct pull p;

	(void)state;
	struct pull_entry *e = pulls_begin(&pulls, &t, 1);
	memset(e->texts.repository, 'r', sizeof(e->texts.repository));
	memset(e->texts.waits_for, 'w', sizeof(e->texts.waits_for));
	atomic_store(&table.high, 1000000);
	assert_int_equal(pulls_high(&table), PULLS_A_SLOT);
	assert_true(pulls_read(&table, 0, &p));
	assert_int_equal(strlen(p.texts.repository), sizeof(p.texts.repository) - 1);
	assert_int_equal(strlen(p.texts.waits_for), sizeof(p.texts.waits_for) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rows_come_and_go, setup),
		cmocka_unit_test_setup(full_table_is_counted, setup),
		cmocka_unit_test_setup(dead_owner_leaves_nothing, setup),
		cmocka_unit_test_setup(what_a_broken_owner_wrote_is_bounded, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
