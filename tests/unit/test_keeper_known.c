/* What the keeper knows of a name: changes, what stays, when it asks again, what a successor takes over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "known.h"

static struct names_entry entry;
static struct known known;

static const struct names_address one = { 4, { 10, 0, 0, 1 } }, two[2] = { { 4, { 10, 0, 0, 1 } }, { 6, { 0xfd, 1 } } },
				  swapped[2] = { { 6, { 0xfd, 1 } }, { 4, { 10, 0, 0, 1 } } };

static int setup(void **state)
{
	(void)state;
	memset(&entry, 0, sizeof(entry));
	known_init(&known, &entry, 1000);
	return 0;
}

static struct names_entry published(void)
{
	struct names_entry e;

	assert_int_equal(names_read(&entry, &e), 0);
	return e;
}

static void test_found_moved_same(void **state)
{
	(void)state;
	assert_int_equal(published().state, NAMES_PENDING);
	assert_int_equal(known_good(&known, &one, 1, 2000), KNOWN_FOUND);
	assert_int_equal(published().state, NAMES_GOOD);
	assert_int_equal(published().changed_ms, 2000);
	assert_int_equal(known_good(&known, &one, 1, 3000), KNOWN_SAME);
	assert_int_equal(published().changed_ms, 2000);
	assert_int_equal(known_good(&known, two, 2, 4000), KNOWN_MOVED);
	assert_int_equal(published().count, 2);
	assert_int_equal(known_good(&known, swapped, 2, 5000), KNOWN_SAME); /* a server that rotates */
	assert_int_equal(known_good(&known, &one, 1, 6000), KNOWN_MOVED);
	assert_int_equal(published().count, 1);
}

static void test_the_last_good_answer_stays(void **state)
{
	(void)state;
	assert_int_equal(known_good(&known, &one, 1, 2000), KNOWN_FOUND);
	assert_int_equal(known_bad(&known, "no answer", 3000), KNOWN_STALE);
	assert_int_equal(published().state, NAMES_GOOD);
	assert_memory_equal(published().address[0].bytes, one.bytes, 4);
	assert_string_equal(published().error, "no answer");
	assert_int_equal(known_bad(&known, "refused", 4000), KNOWN_SAME); /* said once */
	assert_string_equal(published().error, "refused");
	assert_int_equal(known_good(&known, &one, 1, 5000), KNOWN_BACK);
	assert_string_equal(published().error, "");
}

static void test_failed_until_found(void **state)
{
	(void)state;
	assert_int_equal(known_bad(&known, "no such name", 2000), KNOWN_FAILED);
	assert_int_equal(published().state, NAMES_FAILED);
	assert_int_equal(published().count, 0);
	assert_int_equal(known_bad(&known, "no such name", 3000), KNOWN_SAME);
	assert_int_equal(known_good(&known, &one, 1, 4000), KNOWN_FOUND);
	assert_int_equal(published().state, NAMES_GOOD);
}

static void test_more_addresses_than_fit(void **state)
{
	struct names_address many[SHM_ADDRESSES + 4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct names_address){ 4, { 10, 0, 0, (uint8_t)i } };
	assert_int_equal(known_good(&known, many, ARRAY_LEN(many), 2000), KNOWN_FOUND);
	assert_int_equal(published().count, SHM_ADDRESSES);
	assert_int_equal(known_good(&known, many, ARRAY_LEN(many), 3000), KNOWN_SAME);
}

static void test_when_to_ask_again(void **state)
{
	static const uint64_t growing[] = { 1000, 2000, 4000, 8000, 10000, 10000 };

	(void)state;
	for (size_t i = 0; i < 20; i++) { /* eager after the start */
		(void)!known_bad(&known, "x", 2000);
		assert_int_equal(known_pause_ms(&known, 0, 1000 + KNOWN_EAGER_MS - 1), 1000);
	}
	assert_int_equal(known_pause_ms(&known, 0, 1000 + KNOWN_EAGER_MS), 10000);
	(void)!known_good(&known, &one, 1, 2000);
	assert_int_equal(known_pause_ms(&known, 0, 2000), KNOWN_TTL_MIN_MS);
	assert_int_equal(known_pause_ms(&known, 30000, 2000), 30000);
	assert_int_equal(known_pause_ms(&known, 86400000, 2000), KNOWN_TTL_MAX_MS);
	for (size_t i = 0; i < ARRAY_LEN(growing); i++) { /* not in a hurry while old addresses serve */
		(void)!known_bad(&known, "x", 2000);
		assert_int_equal(known_pause_ms(&known, 30000, 2000), growing[i]);
	}
	known.failures = 4000000000u;
	assert_int_equal(known_pause_ms(&known, 0, 2000), 10000);
}

static void test_a_successor_takes_over(void **state)
{
	struct known next;

	(void)state;
	(void)!known_good(&known, two, 2, 2000);
	(void)!known_bad(&known, "no answer", 2500);
	known_init(&next, &entry, 9000);
	assert_int_equal(published().state, NAMES_GOOD);
	assert_int_equal(published().count, 2);
	assert_int_equal(known_good(&next, swapped, 2, 9100), KNOWN_SAME); /* nothing to log: nothing changed */
	assert_int_equal(known_bad(&next, "no answer", 9200), KNOWN_STALE);
}

static void test_a_successor_repairs(void **state)
{
	struct known next;

	(void)state;
	(void)!known_good(&known, &one, 1, 2000);
	atomic_store(&entry.seq, 5); /* killed in the middle: what is there may be half of two answers */
	known_init(&next, &entry, 9000);
	assert_int_equal(published().state, NAMES_PENDING);
	assert_int_equal(published().count, 0);
	assert_int_equal(known_good(&next, &one, 1, 9100), KNOWN_FOUND);
}

static void test_a_successor_of_a_failure(void **state)
{
	struct known next;

	(void)state;
	(void)!known_bad(&known, "no such name", 2000);
	known_init(&next, &entry, 9000);
	assert_int_equal(published().state, NAMES_FAILED); /* requests fail at once, as before */
	assert_string_equal(published().error, "no such name");
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_found_moved_same),    T(test_the_last_good_answer_stays), T(test_failed_until_found),
		T(test_more_addresses_than_fit), T(test_when_to_ask_again),      T(test_a_successor_takes_over),
		T(test_a_successor_repairs), T(test_a_successor_of_a_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
