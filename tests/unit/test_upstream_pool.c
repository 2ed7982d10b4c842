/* Keys, idle connections, the queue and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "clock.h"
#include "conn.h"
#include "upstream_fixture.h"

#define WAITERS 16

struct asker {
	struct waiter waiter;
	struct conn *conn;
};

static struct asker asker[WAITERS];
static unsigned granted; /* how many so far; askers remember their turn */
static unsigned turn[WAITERS];

static void on_granted(struct waiter *w, struct conn *c)
{
	struct asker *a = container_of(w, struct asker, waiter);

	assert_non_null(c);
	a->conn = c;
	turn[a - asker] = ++granted;
}

static int setup(void **state)
{
	struct fixture *f = fixture_new();

	memset(asker, 0, sizeof(asker));
	memset(turn, 0, sizeof(turn));
	granted = 0;
	f->proxy.max_connections = 2;
	fixture_begin(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < WAITERS; i++) {
		if (asker[i].waiter.key)
			pool_leave(&f->upstream->pool[0], &asker[i].waiter);
		conn_close(asker[i].conn, false);
	}
	fixture_free(f);
	return 0;
}

static struct pool *pool_of(struct fixture *f)
{
	return &f->upstream->pool[0];
}

/* Asks for the key of a registry; 0 or -EAGAIN. */
static int ask(struct fixture *f, unsigned n, unsigned registry, bool urgent)
{
	struct asker *a = &asker[n];

	a->waiter = (struct waiter){ .key = upstream_key(f->upstream, &f->registry[registry], NULL, false),
		                     .granted = on_granted, .urgent = urgent };
	list_init(&a->waiter.node);
	return pool_take(pool_of(f), &a->waiter, &a->conn);
}

static void on_ready(struct conn *c)
{
	(void)c;
}

/* Connects a's connection, so that it can be given back. */
static void dial(struct fixture *f, unsigned n)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                  .sin_port = htons(f->proxy.address.port) };
	unsigned before = f->conns;

	asker[n].conn->fn = on_ready;
	assert_int_equal(conn_connect(asker[n].conn, (const struct sockaddr *)&at, sizeof(at)), 0);
	TURN_UNTIL(f, conn_connected(asker[n].conn) == 0 && f->conns == before + 1);
}

static void give(struct fixture *f, unsigned n)
{
	pool_give(pool_of(f), TAKE(asker[n].conn));
}

static void equal_registries_share_a_key(void **state)
{
	struct fixture *f = *state;
	const struct upstream *u = f->upstream;

	assert_ptr_equal(upstream_key(u, &f->registry[0], NULL, false), upstream_key(u, &f->registry[2], NULL, false));
	assert_ptr_not_equal(upstream_key(u, &f->registry[0], NULL, false), upstream_key(u, &f->registry[1], NULL, false));
}

static void a_connection_never_serves_another_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, 0, 0, false), 0);
	dial(f, 0);
	struct conn *c = asker[0].conn;
	give(f, 0);
	assert_int_equal(stats_get(&f->stats->idle), 1);
	assert_int_equal(ask(f, 1, 1, false), 0);
	assert_ptr_not_equal(asker[1].conn, c);
	assert_int_equal(asker[1].conn->answers, 0);
	assert_int_equal(ask(f, 2, 2, false), 0);
	assert_ptr_equal(asker[2].conn, c);
	assert_int_equal(asker[2].conn->answers, 1);
	assert_int_equal(stats_get(&f->stats->idle), 0);
	assert_int_equal(stats_get(&f->stats->reused), 1);
	assert_int_equal(stats_get(&f->stats->connections), 2);
}

static void the_one_used_last_is_used_first(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(f, i, 0, false), 0);
		dial(f, i);
	}
	struct conn *last = asker[1].conn;
	give(f, 0);
	give(f, 1);
	assert_int_equal(ask(f, 2, 0, false), 0);
	assert_ptr_equal(asker[2].conn, last);
}

static void who_wants_a_fresh_one_gets_no_pooled_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, 0, 0, false), 0);
	dial(f, 0);
	give(f, 0);
	asker[1].waiter = (struct waiter){ .key = upstream_key(f->upstream, &f->registry[0], NULL, false), .fresh = true };
	list_init(&asker[1].waiter.node);
	assert_int_equal(pool_take(pool_of(f), &asker[1].waiter, &asker[1].conn), 0);
	assert_int_equal(asker[1].conn->answers, 0);
}

static void an_idle_one_is_closed_when_bytes_or_the_end_come(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(f, i, 0, false), 0);
		dial(f, i);
		give(f, i);
		if (i == 0)
			fake_sends(f, i, "HTTP/1.1 408 Idle\r\n\r\n", 21);
		else
			fake_ends(f, i, false);
		TURN_UNTIL(f, stats_get(&f->stats->connections) == 0);
		assert_int_equal(stats_get(&f->stats->idle), 0);
	}
}

static void an_idle_one_is_closed_after_its_time(void **state)
{
	struct fixture *f = *state;

	f->proxy.idle_timeout = 50;
	assert_int_equal(ask(f, 0, 0, false), 0);
	dial(f, 0);
	give(f, 0);
	uint64_t began = clock_now_ms();
	TURN_UNTIL(f, stats_get(&f->stats->connections) == 0 && f->open == 0);
	assert_true(clock_now_ms() - began >= 45);
}

static void one_with_unread_bytes_is_not_pooled(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, 0, 0, false), 0);
	dial(f, 0);
	fake_sends(f, 0, "x", 1);
	TURN_UNTIL(f, asker[0].conn->transport.readable);
	give(f, 0);
	assert_int_equal(stats_get(&f->stats->idle), 0);
	assert_int_equal(stats_get(&f->stats->connections), 0);
}

static void beyond_the_limit_they_queue_and_urgent_ones_go_ahead(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, 0, 0, false), 0);
	assert_int_equal(ask(f, 1, 0, false), 0);
	assert_int_equal(ask(f, 2, 0, false), -EAGAIN);
	assert_int_equal(ask(f, 3, 0, false), -EAGAIN);
	assert_int_equal(ask(f, 4, 0, true), -EAGAIN);
	assert_int_equal(ask(f, 5, 0, true), -EAGAIN);
	assert_int_equal(stats_get(&f->stats->waiting), 4);
	pool_leave(pool_of(f), &asker[3].waiter);
	const unsigned order[] = { 4, 5, 2 };
	for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
		struct conn *c = asker[0].conn;
		if (i == 0)
			dial(f, 0);
		give(f, 0);
		TURN_UNTIL(f, granted == i + 1);
		assert_int_equal(turn[order[i]], i + 1);
		assert_ptr_equal(asker[order[i]].conn, c);
		asker[0].conn = TAKE(asker[order[i]].conn);
	}
	assert_int_equal(stats_get(&f->stats->waiting), 0);
	assert_int_equal(stats_get(&f->stats->connections), 2);
}

static void a_waiter_for_another_key_gets_room_from_an_idle_one(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(f, i, 0, false), 0);
		dial(f, i);
	}
	assert_int_equal(ask(f, 2, 1, false), -EAGAIN);
	give(f, 0);
	TURN_UNTIL(f, asker[2].conn);
	assert_int_equal(asker[2].conn->answers, 0);
	assert_int_equal(stats_get(&f->stats->connections), 2);
}

static void what_other_processes_hold_counts(void **state)
{
	struct fixture *f = *state;
	struct stats_slot *other = &f->shm->slot[5];

	stats_set(&other->beat_ms, 1);
	stats_set(&other->upstream[f->proxy.index].connections, 9);
	assert_int_equal(ask(f, 0, 0, false), 0); /* one is every process' right */
	assert_int_equal(ask(f, 1, 0, false), -EAGAIN);
	stats_set(&other->upstream[f->proxy.index].connections, 0);
	TURN_UNTIL(f, asker[1].conn); /* nobody tells: it is looked at again */
}

static void who_insists_is_held_by_the_hard_limit_only(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	while (ask(f, n, 0, false) == 0)
		n++;
	assert_int_equal(n, 2);
	for (unsigned i = 3; i < 12; i++)
		assert_int_equal(ask(f, i, 0, false), -EAGAIN);
	for (unsigned i = 11; i > 2; i--)
		pool_insist(pool_of(f), &asker[i].waiter);
	TURN_UNTIL(f, granted == 6);
	settle(f);
	assert_int_equal(granted, 6);
	assert_int_equal(stats_get(&f->stats->connections), 2 * POOL_HARD_FACTOR);
	assert_int_equal(turn[2], 0); /* first in the queue, but it does not insist */
}

static void draining_closes_what_is_idle_now_and_later(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ask(f, i, 0, false), 0);
		dial(f, i);
	}
	give(f, 0);
	upstream_drain(f->upstream);
	assert_int_equal(stats_get(&f->stats->connections), 1);
	give(f, 1);
	assert_int_equal(stats_get(&f->stats->connections), 0);
	assert_int_equal(ask(f, 2, 0, false), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_registries_share_a_key),
		TEST(a_connection_never_serves_another_key),
		TEST(the_one_used_last_is_used_first),
		TEST(who_wants_a_fresh_one_gets_no_pooled_one),
		TEST(an_idle_one_is_closed_when_bytes_or_the_end_come),
		TEST(an_idle_one_is_closed_after_its_time),
		TEST(one_with_unread_bytes_is_not_pooled),
		TEST(beyond_the_limit_they_queue_and_urgent_ones_go_ahead),
		TEST(a_waiter_for_another_key_gets_room_from_an_idle_one),
		TEST(what_other_processes_hold_counts),
		TEST(who_insists_is_held_by_the_hard_limit_only),
		TEST(draining_closes_what_is_idle_now_and_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
