/* Bodies that are copied in large pieces, against a scripted upstream on loopback: whole, in order, no byte twice or lost, also
 * where the sink takes less than it said it had room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "copy.h"
#include "upstream_fixture.h"

#define BLOB "/v2/a/blobs/sha256:00"
#define SIZE (1024 * 1024)
#define SENT (96 * 1024) /* at a time */

static char body[SIZE];
static size_t said;       /* what the sink says it has room for */
static size_t largest;    /* piece that it was given */
static ssize_t (*take)(struct sink *s, struct strview bytes); /* the fixture's */

static int setup(void **state)
{
	struct fixture *f = fixture_new();

	f->proxy.resume_timeout = 8000;
	f->proxy.stall_grace = 5000;
	said = SIZE_MAX;
	largest = 0;
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	*state = f;
	fixture_begin(f);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static size_t room(const struct sink *s)
{
	(void)s;
	return said;
}

static ssize_t watch_pieces(struct sink *s, struct strview bytes)
{
	if (bytes.n > largest)
		largest = bytes.n;
	return take(s, bytes);
}

static struct taking *pull(struct fixture *f)
{
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, false);

	take = p->sink.put;
	p->sink.put = watch_pieces;
	p->sink.room = room;
	p->step = 256 * 1024;
	return p;
}

static void answers_with_head(struct fixture *f)
{
	static char head[128];

	(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
	fake_answers(f, head, THEN_KEEP);
}

static uint64_t came(const struct fixture *f)
{
	return stats_get(&f->heritage.stats->upstream_bytes_in);
}

static void send_body(struct fixture *f, unsigned conn, const struct taking *p, size_t from, size_t to)
{
	while (from < to) {
		const size_t n = to - from < SENT ? to - from : SENT;
		const uint64_t before = came(f);
		fake_sends(f, conn, body + from, n);
		from += n;
		if (p->room)
			TURN_UNTIL(f, came(f) >= before + n);
	}
	settle(f);
}

static void assert_whole(struct fixture *f, struct taking *p)
{
	TURN_UNTIL(f, pull_over(p));
	assert_true(p->ended);
	assert_int_equal(p->n, SIZE);
	assert_memory_equal(p->got, body, SIZE);
	pull_free(p);
}

static void run_whole(struct fixture *f)
{
	struct taking *p = pull(f);

	answers_with_head(f);
	TURN_UNTIL(f, p->head);
	send_body(f, f->conns - 1, p, 0, SIZE);
	assert_whole(f, p);
	assert_int_equal(stats_get(&f->stats->idle), 1);
}

static void it_comes_in_large_pieces(void **state)
{
	struct fixture *f = *state;

	run_whole(f);
	assert_true(largest > UPSTREAM_BUF_SIZE);
	assert_non_null(f->upstream->copied);
}

static void no_more_is_read_than_there_is_room_for(void **state)
{
	struct fixture *f = *state;

	said = COPY_LEAST + 1000;
	run_whole(f);
	assert_int_equal(largest, said);
}

static void without_room_it_goes_by_the_buffer(void **state)
{
	struct fixture *f = *state;

	said = COPY_LEAST - 1;
	run_whole(f);
	assert_true(largest <= UPSTREAM_BUF_SIZE);
	assert_null(f->upstream->copied);
}

static bool yes(const struct sink *s)
{
	(void)s;
	return true;
}

/* A client that takes nothing may give all of a piece back: for many of them that is for pipes, or as little as ever. */
static void without_a_pipe_for_what_comes_back_it_goes_by_the_buffer(void **state)
{
	struct fixture *f = *state;
	struct taking *p = pull(f);

	p->sink.may_pipe = yes;
	upstream_limit_pipes(f->upstream, 0);
	answers_with_head(f);
	TURN_UNTIL(f, p->head);
	send_body(f, 0, p, 0, SIZE);
	assert_whole(f, p);
	assert_true(largest <= UPSTREAM_BUF_SIZE / 2);
}

#define TAKEN (384 * 1024)
#define READ  (TAKEN + COPY_LEAST)

/* The sink took TAKEN bytes and 1,000 of the COPY_LEAST that it said it had room for: the rest waits. */
static struct taking *stop_in_a_piece(struct fixture *f)
{
	struct taking *p = pull(f);

	answers_with_head(f);
	TURN_UNTIL(f, p->head);
	send_body(f, 0, p, 0, TAKEN);
	said = COPY_LEAST;
	p->room = 1000;
	fake_sends(f, 0, body + TAKEN, COPY_LEAST);
	TURN_UNTIL(f, p->room == 0 && came(f) >= READ);
	return p;
}

static void answers_from(struct fixture *f, int from)
{
	static char head[192];

	(void)snprintf(head, sizeof(head),
	               "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n", from, SIZE - 1, SIZE,
	               SIZE - from);
	fake_answers(f, head, THEN_KEEP);
}

/* The rest comes from the buffer, before what comes after it. */
static void what_is_not_taken_waits_in_the_buffer(void **state)
{
	struct fixture *f = *state;
	struct taking *p = stop_in_a_piece(f);

	assert_int_equal(p->n, TAKEN + 1000);
	pull_read(p, 500);
	assert_int_equal(p->n, TAKEN + 1500);
	pull_read(p, SIZE_MAX);
	assert_int_equal(p->n, READ);
	said = SIZE_MAX;
	send_body(f, 0, p, READ, SIZE);
	assert_whole(f, p);
}

/* The upstream breaks off meanwhile: first what waits, then the rest, from the exact byte on. */
static void what_waits_comes_before_what_is_fetched_again(void **state)
{
	struct fixture *f = *state;
	struct taking *p = stop_in_a_piece(f);

	fake_ends(f, 0, false);
	settle(f);
	answers_from(f, READ);
	pull_read(p, SIZE_MAX);
	TURN_UNTIL(f, f->requests == 2);
	assert_non_null(strstr(f->last_request, "\r\nRange: bytes=458752-\r\n"));
	said = SIZE_MAX;
	send_body(f, 1, p, READ, SIZE);
	assert_whole(f, p);
}

/* A sink that takes nothing of far more than it said: what does not fit into a buffer is fetched again. */
static void a_sink_that_was_wrong_costs_a_resume(void **state)
{
	struct fixture *f = *state;
	const int from = 128 * 1024;
	struct taking *p = pull(f);

	answers_with_head(f);
	TURN_UNTIL(f, p->head);
	send_body(f, 0, p, 0, (size_t)from);
	p->room = 1; /* not 0: else nothing would be read */
	answers_from(f, from + 1);
	fake_sends(f, 0, body + from, 200 * 1024);
	settle(f);
	pull_read(p, SIZE_MAX);
	TURN_UNTIL(f, f->requests == 2);
	send_body(f, 1, p, (size_t)from + 1, SIZE);
	assert_whole(f, p);
}

static ssize_t gone(struct sink *s, struct strview bytes)
{
	(void)s, (void)bytes;
	return -ECONNRESET;
}

static void a_client_that_is_gone_is_not_the_upstreams_fault(void **state)
{
	struct fixture *f = *state;
	struct taking *p = pull(f);
	size_t moved = 0;
	int error = 0;

	answers_with_head(f);
	TURN_UNTIL(f, p->head);
	send_body(f, 0, p, 0, 128 * 1024);
	p->room = 0; /* the test moves by itself */
	p->sink.put = gone;
	fake_sends(f, 0, body + 128 * 1024, 200 * 1024);
	settle(f);
	assert_int_equal(source_move(p->source, &p->sink, p->step, &moved, &error), MOVE_SINK_FAILED);
	assert_int_equal(error, ECONNRESET);
	assert_int_equal(moved, 0);
	for (size_t i = 0; i < ARRAY_LEN(f->stats->errors); i++)
		assert_int_equal(stats_get(&f->stats->errors[i]), 0);
	pull_free(p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_comes_in_large_pieces),
		T(no_more_is_read_than_there_is_room_for),
		T(without_room_it_goes_by_the_buffer),
		T(without_a_pipe_for_what_comes_back_it_goes_by_the_buffer),
		T(what_is_not_taken_waits_in_the_buffer),
		T(what_waits_comes_before_what_is_fetched_again),
		T(a_sink_that_was_wrong_costs_a_resume),
		T(a_client_that_is_gone_is_not_the_upstreams_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
