/* The book of shared slots: the master's is never given out, a returned one comes again, the mark only rises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <string.h>

#include "book.h"

static void all_slots_but_the_masters(void **state)
{
	struct err why;
	struct shm *shm = shm_open_anonymous(&why);
	struct book b = { .taken = { false } };
	bool seen[SHM_SLOTS] = { false };

	(void)state;
	assert_non_null(shm);
	for (unsigned i = 1; i < SHM_SLOTS; i++) {
		unsigned slot = book_take(&b, shm);
		assert_in_range(slot, 1, SHM_SLOTS - 1);
		assert_false(seen[slot]);
		seen[slot] = true;
	}
	assert_int_equal(book_take(&b, shm), 0);
	assert_int_equal(shm->slots_used, SHM_SLOTS);
	book_return(&b, 7);
	book_return(&b, 0);
	assert_int_equal(book_take(&b, shm), 7);
	assert_int_equal(shm->slots_used, SHM_SLOTS);
	shm_close(shm);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_slots_but_the_masters) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
