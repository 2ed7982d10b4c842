/* The event loop: order of timers, deferred work, watches that leave within the turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"

static struct loop loop;

static int setup(void **state)
{
	(void)state;
	return loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_done(&loop);
	return 0;
}

static void turn(int wait_ms)
{
	assert_int_equal(loop_turn(&loop, wait_ms), 0);
}

/* --- timers --- */

#define MANY 20000

static uint64_t last_at;
static unsigned fired;

struct ticker {
	struct timer timer;
	uint64_t wanted;
	bool stopped;
};

static void on_ordered(struct timer *t)
{
	struct ticker *k = container_of(t, struct ticker, timer);

	assert_null(t->loop);
	assert_false(k->stopped);
	assert_true(k->wanted >= last_at);
	last_at = k->wanted;
	fired++;
}

static void test_many_timers_fire_in_order(void **state)
{
	static struct ticker k[MANY];
	unsigned left = 0;

	(void)state;
	srandom(4711);
	last_at = fired = 0;
	uint64_t base = loop_now(&loop) - 5000;
	for (size_t i = 0; i < MANY; i++) {
		k[i].wanted = base + (uint64_t)random() % 5000;
		loop_timer_at(&loop, &k[i].timer, k[i].wanted, on_ordered);
	}
	for (size_t i = 0; i < MANY; i++) {
		if (i % 3 == 0) { /* armed anew */
			k[i].wanted = base + (uint64_t)random() % 5000;
			loop_timer_at(&loop, &k[i].timer, k[i].wanted, on_ordered);
		} else if (i % 3 == 1) {
			loop_timer_stop(&k[i].timer);
			loop_timer_stop(&k[i].timer);
			k[i].stopped = true;
		}
		left += !k[i].stopped;
	}
	turn(0);
	assert_int_equal(fired, left);
	assert_null(loop.heap);
}

static struct ticker other;

static void on_stops_other(struct timer *t)
{
	(void)t;
	fired++;
	loop_timer_stop(&other.timer);
}

static void test_a_timer_stops_one_that_is_due_too(void **state)
{
	struct timer first = { 0 };

	(void)state;
	fired = 0;
	loop_timer_at(&loop, &first, 1, on_stops_other);
	loop_timer_at(&loop, &other.timer, 2, on_ordered);
	turn(0);
	assert_int_equal(fired, 1);
	turn(0);
	assert_int_equal(fired, 1);
}

static void on_again(struct timer *t)
{
	fired++;
	loop_timer_in(&loop, t, 0, on_again);
}

static void test_a_timer_armed_for_now_waits_for_the_next_turn(void **state)
{
	struct timer t = { 0 };

	(void)state;
	fired = 0;
	loop_timer_in(&loop, &t, 0, on_again);
	for (unsigned i = 1; i <= 5; i++) {
		turn(-1);
		assert_int_equal(fired, i);
	}
	loop_timer_stop(&t);
}

static void on_stop(struct timer *t)
{
	(void)t;
	loop_stop(&loop);
}

static void test_waits_until_the_timer(void **state)
{
	struct timer t = { 0 };
	uint64_t before = clock_now_ms();

	(void)state;
	turn(0);
	loop_timer_in(&loop, &t, 30, on_stop);
	assert_int_equal(loop_run(&loop), 0);
	assert_true(clock_now_ms() - before >= 30);
	assert_true(loop.turns < 10); /* it did not spin */
}

/* --- watches --- */

struct peer {
	struct watch watch;
	struct watch *victim; /* leaves the loop when this one gets its event */
	unsigned events;
	int fd;
};

static void on_event(struct watch *w, uint32_t events)
{
	struct peer *p = container_of(w, struct peer, watch);

	assert_true(events & EPOLLIN);
	p->events++;
	if (p->victim)
		loop_del(p->victim);
}

static void test_no_event_after_del_in_the_same_turn(void **state)
{
	struct peer p[2] = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		p[i].fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		p[i].victim = &p[1 - i].watch;
		assert_int_equal(loop_add(&loop, &p[i].watch, p[i].fd, EPOLLIN, on_event), 0);
	}
	turn(0);
	assert_int_equal(p[0].events + p[1].events, 1); /* whoever came first silenced the other */
	for (size_t i = 0; i < 2; i++) {
		loop_del(&p[i].watch);
		loop_del(&p[i].watch);
		(void)close(p[i].fd);
	}
}

/* A process that was stopped wakes with a signal, and with both before it: what came, and the deadline of it. */
static struct timer deadline;
static struct peer woken;

static void on_signal(int number)
{
	const uint64_t one = 1;

	(void)number;
	deadline.at_ms = 1;
	(void)!write(woken.fd, &one, sizeof(one));
}

static void on_deadline(struct timer *t)
{
	(void)t;
	assert_int_equal(woken.events, 1);
	fired++;
}

static void test_after_a_signal_events_come_before_deadlines(void **state)
{
	const struct sigaction act = { .sa_handler = on_signal };
	const struct itimerval soon = { .it_value.tv_usec = 10000 };

	(void)state;
	fired = 0;
	woken = (struct peer){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	assert_int_equal(loop_add(&loop, &woken.watch, woken.fd, EPOLLIN, on_event), 0);
	loop_timer_in(&loop, &deadline, 60000, on_deadline);
	assert_int_equal(sigaction(SIGALRM, &act, NULL) | setitimer(ITIMER_REAL, &soon, NULL), 0);
	turn(-1);
	assert_int_equal(fired, 1);
	loop_del(&woken.watch);
	(void)close(woken.fd);
}

static void test_add_mod_and_errors(void **state)
{
	struct peer p = { .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK) };

	(void)state;
	assert_int_equal(loop_add(&loop, &p.watch, -1, EPOLLIN, on_event), -9 /* EBADF */);
	assert_null(p.watch.loop);
	assert_int_equal(loop_add(&loop, &p.watch, p.fd, 0, on_event), 0);
	turn(0);
	assert_int_equal(p.events, 0);
	assert_int_equal(loop_mod(&p.watch, EPOLLIN), 0);
	turn(0);
	turn(0);
	assert_int_equal(p.events, 2); /* level-triggered */
	assert_int_equal(loop_mod(&p.watch, EPOLLIN | EPOLLET), 0);
	turn(0);
	turn(0);
	assert_int_equal(p.events, 3);
	loop_del(&p.watch);
	(void)close(p.fd);
}

/* --- deferred --- */

static char trace[16];

struct job {
	struct deferred d;
	char name;
	struct job *queues;
};

static void on_job(struct deferred *d)
{
	struct job *j = container_of(d, struct job, d);

	trace[strlen(trace)] = j->name;
	if (j->queues)
		loop_defer(&loop, &j->queues->d, on_job);
	free(j); /* the loop touches it no more */
}

static struct job *job(char name, struct job *queues)
{
	struct job *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	j->name = name;
	j->queues = queues;
	deferred_init(&j->d);
	return j;
}

static void test_deferred_runs_once_in_order_and_what_it_queues_next_turn(void **state)
{
	struct job *late = job('c', NULL), *a = job('a', late), *b = job('b', NULL), *never = job('x', NULL);

	(void)state;
	memset(trace, 0, sizeof(trace));
	loop_defer(&loop, &a->d, on_job);
	loop_defer(&loop, &b->d, on_job);
	loop_defer(&loop, &a->d, on_job); /* queued already */
	loop_defer(&loop, &never->d, on_job);
	loop_defer_cancel(&never->d);
	free(never);
	turn(-1); /* does not wait: work is queued */
	assert_string_equal(trace, "ab");
	turn(-1);
	assert_string_equal(trace, "abc");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_many_timers_fire_in_order),
		T(test_a_timer_stops_one_that_is_due_too),
		T(test_a_timer_armed_for_now_waits_for_the_next_turn),
		T(test_waits_until_the_timer),
		T(test_no_event_after_del_in_the_same_turn),
		T(test_after_a_signal_events_come_before_deadlines),
		T(test_add_mod_and_errors),
		T(test_deferred_runs_once_in_order_and_what_it_queues_next_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
