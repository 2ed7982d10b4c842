/* The supervisor's table: events fed to a slot whose verbs only take notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "slot.h"

static struct {
	unsigned forks, drains, changes;
	int killed; /* last signal */
	uint64_t armed_ms, now_ms;
	int fork_result;
} note;

static int note_fork(struct slot *s)
{
	note.forks++;
	if (note.fork_result == 0)
		s->pid = 4711;
	return note.fork_result;
}

static void note_kill(struct slot *s, int number)
{
	(void)s;
	note.killed = number;
}

static void note_drain(struct slot *s)
{
	(void)s;
	note.drains++;
}

static void note_arm(struct slot *s, uint64_t in_ms)
{
	(void)s;
	note.armed_ms = in_ms;
}

static void note_changed(struct slot *s, enum slot_state was)
{
	(void)s, (void)was;
	note.changes++;
}

static uint64_t note_now(const struct slot *s)
{
	(void)s;
	return note.now_ms;
}

static const struct slot_verbs verbs = { note_fork, note_kill, note_drain, note_arm, note_changed, note_now };

static struct slot fresh(void)
{
	memset(&note, 0, sizeof(note));
	note.now_ms = 100000;
	return (struct slot){ .verbs = &verbs, .start_limit_ms = 5000 };
}

static struct slot serving(void)
{
	struct slot s = fresh();

	slot_feed(&s, SLOT_SPAWN);
	slot_feed(&s, SLOT_READY);
	assert_int_equal(s.state, SLOT_SERVING);
	return s;
}

static void start_has_a_limit_and_serving_has_none(void **state)
{
	struct slot s = fresh();

	(void)state;
	slot_feed(&s, SLOT_SPAWN);
	assert_int_equal(s.state, SLOT_STARTING);
	assert_int_equal(note.armed_ms, 5000);
	slot_feed(&s, SLOT_READY);
	assert_int_equal(s.state, SLOT_SERVING);
	assert_true(note.armed_ms == UINT64_MAX);
	slot_feed(&s, SLOT_READY); /* once more changes nothing */
	assert_int_equal(note.changes, 2);
}

static void start_that_hangs_is_killed_and_tried_again(void **state)
{
	struct slot s = fresh();

	(void)state;
	slot_feed(&s, SLOT_SPAWN);
	slot_feed(&s, SLOT_TIMEOUT);
	assert_int_equal(note.killed, SIGKILL);
	assert_int_equal(s.state, SLOT_KILLED);
	slot_feed(&s, SLOT_EXIT);
	assert_int_equal(s.state, SLOT_WAITING);
	slot_feed(&s, SLOT_TIMEOUT);
	assert_int_equal(s.state, SLOT_STARTING);
	assert_int_equal(note.forks, 2);
}

static void starts_that_fail_wait_longer_each_time_up_to_a_bound(void **state)
{
	struct slot s = fresh();
	uint64_t expected = SLOT_BACKOFF_MIN_MS;

	(void)state;
	slot_feed(&s, SLOT_SPAWN);
	for (int i = 0; i < 20; i++) {
		slot_feed(&s, SLOT_EXIT);
		assert_int_equal(s.state, SLOT_WAITING);
		assert_int_equal(note.armed_ms, expected);
		expected = expected * 2 < SLOT_BACKOFF_MAX_MS ? expected * 2 : SLOT_BACKOFF_MAX_MS;
		slot_feed(&s, SLOT_TIMEOUT);
	}
	slot_feed(&s, SLOT_READY); /* one that came to serve forgets the failures */
	note.now_ms += 100;
	slot_feed(&s, SLOT_EXIT);
	assert_int_equal(note.armed_ms, SLOT_BACKOFF_MIN_MS);
}

static void fork_that_fails_is_tried_again(void **state)
{
	struct slot s = fresh();

	(void)state;
	note.fork_result = -EAGAIN;
	slot_feed(&s, SLOT_SPAWN);
	assert_int_equal(s.state, SLOT_WAITING);
	note.fork_result = 0;
	slot_feed(&s, SLOT_TIMEOUT);
	assert_int_equal(s.state, SLOT_STARTING);
}

static void crash_after_a_while_is_replaced_at_once(void **state)
{
	struct slot s = serving();

	(void)state;
	note.now_ms += SLOT_QUICK_MS;
	slot_feed(&s, SLOT_EXIT);
	assert_int_equal(s.state, SLOT_STARTING);
	assert_int_equal(note.forks, 2);
}

static void stuck_gets_abort_then_kill(void **state)
{
	struct slot s = serving();

	(void)state;
	slot_feed(&s, SLOT_STUCK);
	assert_int_equal(note.killed, SIGABRT);
	assert_int_equal(note.armed_ms, SLOT_GRACE_MS);
	slot_feed(&s, SLOT_STUCK); /* told once */
	slot_feed(&s, SLOT_TIMEOUT);
	assert_int_equal(note.killed, SIGKILL);
	slot_feed(&s, SLOT_EXIT);
	assert_int_equal(s.state, SLOT_WAITING);
}

static void drain_has_the_callers_deadline_and_a_grace(void **state)
{
	struct slot s = serving();

	(void)state;
	s.drain_ms = note.now_ms + 7000;
	slot_feed(&s, SLOT_DRAIN);
	assert_int_equal(note.drains, 1);
	assert_int_equal(note.armed_ms, 7000 + SLOT_GRACE_MS);
	slot_feed(&s, SLOT_DRAIN);
	assert_int_equal(note.drains, 1);
	slot_feed(&s, SLOT_TIMEOUT);
	assert_int_equal(note.killed, SIGKILL);
	slot_feed(&s, SLOT_EXIT);
	assert_int_equal(s.state, SLOT_EMPTY);
	assert_int_equal(note.forks, 1);
}

/* Whatever comes before and after it: a slot that was told to leave ends empty and never forks again. */
static void who_leaves_does_not_come_back(void **state)
{
	(void)state;
	for (unsigned before = 0; before < SLOT_EVENTS; before++)
		for (unsigned then = 0; then < SLOT_EVENTS; then++)
			for (int now = 0; now < 2; now++) {
				struct slot s = serving();
				slot_feed(&s, (enum slot_event)before);
				slot_feed(&s, now ? SLOT_KILL : SLOT_DRAIN);
				unsigned forks = note.forks;
				if (then != SLOT_SPAWN) /* nobody spawns a slot that was retired */
					slot_feed(&s, (enum slot_event)then);
				slot_feed(&s, SLOT_TIMEOUT);
				slot_feed(&s, SLOT_EXIT);
				slot_feed(&s, SLOT_TIMEOUT);
				assert_int_equal(s.state, SLOT_EMPTY);
				assert_int_equal(note.forks, forks);
			}
}

static void every_state_and_event_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SLOT_STATES; i++)
		assert_non_null(slot_state_name((enum slot_state)i));
	for (unsigned i = 0; i < SLOT_EVENTS; i++)
		assert_non_null(slot_event_name((enum slot_event)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_has_a_limit_and_serving_has_none),
		cmocka_unit_test(start_that_hangs_is_killed_and_tried_again),
		cmocka_unit_test(starts_that_fail_wait_longer_each_time_up_to_a_bound),
		cmocka_unit_test(fork_that_fails_is_tried_again),
		cmocka_unit_test(crash_after_a_while_is_replaced_at_once),
		cmocka_unit_test(stuck_gets_abort_then_kill),
		cmocka_unit_test(drain_has_the_callers_deadline_and_a_grace),
		cmocka_unit_test(who_leaves_does_not_come_back),
		cmocka_unit_test(every_state_and_event_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
