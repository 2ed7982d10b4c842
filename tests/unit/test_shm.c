/* Shared memory: the seqlock of names against a writer in another process, also one that is killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "shm.h"

static struct shm *shm;
static struct names_entry *entry;

static int setup(void **state)
{
	struct err e;

	(void)state;
	shm = shm_open_anonymous(&e);
	entry = shm ? &shm->names[3][5] : NULL;
	return shm ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	shm_close(shm);
	shm_close(NULL);
	return 0;
}

/* All of an entry follows from one number, so a mixture of two shows. */
static void publish_number(uint64_t n)
{
	struct names_address a[SHM_ADDRESSES];
	char error[64];

	for (size_t i = 0; i < SHM_ADDRESSES; i++) {
		memset(&a[i], (int)(n & 0xff), sizeof(a[i]));
		a[i].family = 4;
	}
	memset(error, 'a' + (int)(n % 26), sizeof(error) - 1);
	error[sizeof(error) - 1] = '\0';
	names_publish(entry, NAMES_GOOD, a, SHM_ADDRESSES, error, n);
}

static void assert_whole(const struct names_entry *e)
{
	assert_int_equal(e->count, SHM_ADDRESSES);
	for (size_t i = 0; i < SHM_ADDRESSES; i++)
		for (size_t b = 0; b < 16; b++)
			assert_int_equal(e->address[i].bytes[b], e->changed_ms & 0xff);
	for (size_t i = 0; i < sizeof(e->error) - 1; i++)
		assert_int_equal(e->error[i], 'a' + (int)(e->changed_ms % 26));
}

static pid_t fork_writer(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (uint64_t n = 1;; n++)
			publish_number(n);
	assert_true(pid > 0);
	while (atomic_load(&entry->seq) == 0)
		continue;
	return pid;
}

static void kill_writer(pid_t pid)
{
	int status;

	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_zeroed_memory_is_a_pending_name(void **state)
{
	struct names_entry e;

	(void)state;
	assert_int_equal(names_read(entry, &e), 0);
	assert_int_equal(e.state, NAMES_PENDING);
	assert_int_equal(e.count, 0);
}

static void test_publish_and_read(void **state)
{
	struct names_address a[SHM_ADDRESSES + 3] = { { .family = 6, .bytes = { 0x20, 1 } } };
	struct names_entry e;
	char longer[200];

	(void)state;
	memset(longer, 'e', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	names_publish(entry, NAMES_GOOD, a, SHM_ADDRESSES + 3, longer, 42);
	assert_int_equal(names_read(entry, &e), 0);
	assert_int_equal(e.count, SHM_ADDRESSES);
	assert_int_equal(e.address[0].family, 6);
	assert_int_equal(e.address[0].bytes[0], 0x20);
	assert_int_equal(e.changed_ms, 42);
	assert_int_equal(strlen(e.error), sizeof(e.error) - 1);
	entry->count = 4000000000u; /* a claim */
	memset(entry->error, 'x', sizeof(entry->error));
	assert_int_equal(names_read(entry, &e), 0);
	assert_int_equal(e.count, SHM_ADDRESSES);
	assert_int_equal(strlen(e.error), sizeof(e.error) - 1);
}

static void test_a_reader_never_sees_a_mixture(void **state)
{
	struct names_entry e;
	unsigned good = 0;
	uint64_t last = 0;

	(void)state;
	pid_t writer = fork_writer();
	const uint64_t end = clock_now_ms() + 300, give_up = end + 20000;
	while (clock_now_ms() < (good ? end : give_up)) {
		int r = names_read(entry, &e);
		if (r == -EAGAIN)
			continue;
		assert_int_equal(r, 0);
		assert_whole(&e);
		assert_true(e.changed_ms >= last);
		last = e.changed_ms;
		good++;
	}
	kill_writer(writer);
	assert_true(good > 0);
}

static void test_a_writer_killed_in_the_middle(void **state)
{
	struct names_entry e;
	unsigned torn = 0;

	(void)state;
	for (int i = 0; i < 200 && torn < 5; i++) {
		kill_writer(fork_writer());
		int r = names_read(entry, &e);
		if (r == 0) {
			assert_whole(&e);
		} else {
			assert_int_equal(r, -EAGAIN); /* bounded: it gives up */
			torn++;
		}
		publish_number(77); /* the next keeper repairs it */
		assert_int_equal(names_read(entry, &e), 0);
		assert_whole(&e);
		assert_int_equal(e.changed_ms, 77);
		atomic_store(&entry->seq, 0);
	}
	atomic_store(&entry->seq, 9); /* the same, without luck */
	assert_int_equal(names_read(entry, &e), -EAGAIN);
	publish_number(78);
	assert_int_equal(atomic_load(&entry->seq), 10);
	assert_int_equal(names_read(entry, &e), 0);
	assert_whole(&e);
}

static void test_reset_empties_the_table_of_one_generation(void **state)
{
	struct names_entry e;

	(void)state;
	publish_number(5);
	names_publish(&shm->names[4][5], NAMES_FAILED, NULL, 0, "why", 1);
	atomic_store(&shm->names[3][6].seq, 3);
	names_reset(shm, 3);
	assert_int_equal(names_read(entry, &e), 0);
	assert_int_equal(e.state, NAMES_PENDING);
	assert_int_equal(e.count, 0);
	assert_string_equal(e.error, "");
	assert_int_equal(names_read(&shm->names[3][6], &e), 0);
	assert_int_equal(names_read(&shm->names[4][5], &e), 0);
	assert_int_equal(e.state, NAMES_FAILED);
	assert_string_equal(e.error, "why");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_zeroed_memory_is_a_pending_name),
		T(test_publish_and_read),
		T(test_a_reader_never_sees_a_mixture),
		T(test_a_writer_killed_in_the_middle),
		T(test_reset_empties_the_table_of_one_generation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
