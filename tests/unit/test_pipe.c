/* Pipes: kept, bounded, and never passed on with bytes in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "pipe.h"

static void an_empty_one_is_kept_and_given_again(void **state)
{
	struct pipes p;
	struct pipe a = PIPE_NONE, b = PIPE_NONE;

	(void)state;
	pipes_init(&p, 2);
	assert_int_equal(pipes_take(&p, &a, 0), 0);
	assert_true(fcntl(a.in, F_GETPIPE_SZ) >= PIPE_BYTES);
	assert_true(fcntl(a.in, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(a.out, F_GETFD) & FD_CLOEXEC);
	const int fd = a.out;
	pipes_give(&p, &a);
	assert_int_equal(a.out, -1);
	pipes_give(&p, &a);
	assert_int_equal(p.open, 1);
	assert_int_equal(pipes_take(&p, &b, 0), 0);
	assert_int_equal(b.out, fd);
	pipes_give(&p, &b);
	pipes_done(&p);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void one_with_bytes_in_it_is_closed(void **state)
{
	struct pipes p;
	struct pipe a = PIPE_NONE;
	char byte = 0;

	(void)state;
	pipes_init(&p, 2);
	assert_int_equal(pipes_take(&p, &a, 0), 0);
	const int fd = a.out;
	assert_int_equal(write(a.in, "secret", 6), 6);
	a.held = 6;
	pipes_give(&p, &a);
	assert_int_equal(p.open, 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(a.held, 0);
	assert_int_equal(pipes_take(&p, &a, 0), 0);
	assert_int_equal(read(a.out, &byte, 1), -1);
	pipes_give(&p, &a);
	pipes_done(&p);
}

static void there_are_so_many_and_no_more(void **state)
{
	struct pipes p;
	struct pipe a[PIPES_MAX + 1];

	(void)state;
	for (unsigned i = 0; i <= PIPES_MAX; i++)
		a[i] = PIPE_NONE;
	pipes_init(&p, PIPES_MAX + 100);
	for (unsigned i = 0; i < PIPES_MAX; i++)
		assert_int_equal(pipes_take(&p, &a[i], 0), 0);
	assert_int_equal(pipes_take(&p, &a[PIPES_MAX], 0), -EAGAIN);
	assert_int_equal(a[PIPES_MAX].out, -1);
	for (unsigned i = 0; i < PIPES_MAX; i++)
		pipes_give(&p, &a[i]);
	assert_int_equal(p.open, PIPES_SPARE);
	pipes_done(&p);
	pipes_init(&p, 0);
	assert_int_equal(pipes_take(&p, &a[0], 0), -EAGAIN);
}

/* Whatever refuses one: not asked again for each body. */
static void want_of_descriptors_is_borne(void **state)
{
	struct pipes p;
	struct pipe a = PIPE_NONE;
	struct rlimit before, low;
	const int next = dup(0);

	(void)state;
	close(next);
	pipes_init(&p, 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)next + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(pipes_take(&p, &a, 5000), -EAGAIN);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(fcntl(next, F_GETFD), -1);
	assert_int_equal(pipes_take(&p, &a, 5999), -EAGAIN);
	assert_int_equal(pipes_take(&p, &a, 6000), 0);
	pipes_give(&p, &a);
	pipes_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_is_kept_and_given_again),
		cmocka_unit_test(one_with_bytes_in_it_is_closed),
		cmocka_unit_test(there_are_so_many_and_no_more),
		cmocka_unit_test(want_of_descriptors_is_borne),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
