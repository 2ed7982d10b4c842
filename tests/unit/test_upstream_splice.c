/* Bodies that go through a pipe, against a scripted upstream on loopback: whole, in order, no byte twice or lost, and copied
 * where they cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "splice.h"
#include "upstream_fixture.h"

#define BLOB "/v2/a/blobs/sha256:00"
#define SIZE (1024 * 1024)
#define SENT (32 * 1024) /* at a time */

static char body[SIZE];
static bool piped;

static int setup(void **state)
{
	struct fixture *f = fixture_new();

	f->proxy.resume_timeout = 8000;
	f->proxy.stall_grace = 5000;
	piped = true;
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static bool may_pipe(const struct sink *s)
{
	(void)s;
	return piped;
}

/* As a client whose socket has room for so many bytes. */
static ssize_t take_pipe(struct sink *s, int pipe, size_t n)
{
	struct taking *p = container_of(s, struct taking, sink);

	if (n > p->room)
		n = p->room;
	if (n == 0)
		return -EAGAIN;
	p->got = realloc(p->got, p->n + n + 1);
	assert_non_null(p->got);
	n = (size_t)read(pipe, p->got + p->n, n);
	p->n += n;
	if (p->room != SIZE_MAX)
		p->room -= n;
	return (ssize_t)n;
}

static struct taking *pull(struct fixture *f)
{
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, false);

	p->sink.put_pipe = take_pipe;
	p->sink.may_pipe = may_pipe;
	p->step = 256 * 1024;
	return p;
}

static void answers_with_head(struct fixture *f, size_t size)
{
	static char head[128];

	(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	fake_answers(f, head, THEN_KEEP);
}

/* Sends bytes of the body, as a network would: piece by piece, until they are taken. */
static void send_body(struct fixture *f, unsigned conn, struct taking *p, size_t from, size_t to)
{
	while (from < to) {
		const size_t n = to - from < SENT ? to - from : SENT;
		const uint64_t before = stats_get(&f->heritage.stats->upstream_bytes_in);
		fake_sends(f, conn, body + from, n);
		from += n;
		if (p->room)
			TURN_UNTIL(f, stats_get(&f->heritage.stats->upstream_bytes_in) >= before + n);
	}
	settle(f);
}

static uint64_t spliced(const struct fixture *f)
{
	return stats_get(&f->heritage.stats->spliced_bytes);
}

static void assert_whole(const struct taking *p, size_t size)
{
	assert_true(p->ended);
	assert_int_equal(p->n, size);
	assert_memory_equal(p->got, body, size);
}

static void run_whole(struct fixture *f, size_t size)
{
	struct taking *p = pull(f);

	answers_with_head(f, size);
	TURN_UNTIL(f, p->head);
	send_body(f, f->conns - 1, p, 0, size);
	TURN_UNTIL(f, pull_over(p));
	assert_whole(p, size);
	pull_free(p);
	assert_int_equal(stats_get(&f->stats->idle), 1); /* nothing is left in the way: it carries the next */
}

static void a_large_body_goes_through_a_pipe(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	run_whole(f, SIZE);
	assert_true(spliced(f) >= SIZE - 2 * SPLICE_LEAST);
	const uint64_t pipes = stats_get(&f->heritage.stats->pipes);
	assert_int_equal(pipes, 1);
	run_whole(f, SIZE);
	assert_int_equal(stats_get(&f->heritage.stats->pipes), pipes);
}

static void a_short_one_is_copied(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	run_whole(f, SPLICE_LEAST - 1);
	run_whole(f, 1);
	assert_int_equal(spliced(f), 0);
	assert_int_equal(stats_get(&f->heritage.stats->pipes), 0);
}

static void what_cannot_be_piped_is_copied(void **state)
{
	struct fixture *f = *state;

	piped = false;
	fixture_begin(f);
	run_whole(f, SIZE);
	assert_int_equal(spliced(f), 0);
}

static void without_pipes_it_is_copied(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	upstream_limit_pipes(f->upstream, 0);
	run_whole(f, SIZE);
	assert_int_equal(spliced(f), 0);
}

/* The client takes a part of what is in the pipe, the upstream breaks off: first what is here, then the rest, from the exact
 * byte on. */
static void what_is_in_the_pipe_comes_before_what_is_fetched_again(void **state)
{
	struct fixture *f = *state;
	static char head[192];

	fixture_begin(f);
	struct taking *p = pull(f);
	answers_with_head(f, SIZE);
	TURN_UNTIL(f, p->head);
	send_body(f, 0, p, 0, 256 * 1024);
	p->room = 1000;
	send_body(f, 0, p, 256 * 1024, 288 * 1024);
	TURN_UNTIL(f, p->room == 0);
	assert_int_equal(p->n, 256 * 1024 + 1000);
	assert_true(p->n < stats_get(&f->heritage.stats->upstream_bytes_in)); /* the rest waits in the pipe */
	fake_ends(f, 0, false);
	settle(f);
	(void)snprintf(head, sizeof(head),
	               "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n",
	               288 * 1024, SIZE - 1, SIZE, SIZE - 288 * 1024);
	fake_answers(f, head, THEN_KEEP);
	pull_read(p, SIZE_MAX);
	assert_int_equal(p->n, 288 * 1024);
	TURN_UNTIL(f, f->requests == 2);
	assert_non_null(strstr(f->last_request, "\r\nRange: bytes=294912-\r\n"));
	send_body(f, 1, p, 288 * 1024, SIZE);
	TURN_UNTIL(f, pull_over(p));
	assert_whole(p, SIZE);
	pull_free(p);
}

/* Parked with bytes in the pipe: they are thrown away, and fetched again when the client takes bytes. */
static void what_is_in_the_pipe_of_a_parked_client_is_fetched_again(void **state)
{
	struct fixture *f = *state;
	static char head[192];

	f->proxy.stall_grace = 50;
	fixture_begin(f);
	struct taking *p = pull(f);
	answers_with_head(f, SIZE);
	TURN_UNTIL(f, p->head);
	send_body(f, 0, p, 0, 256 * 1024);
	p->room = 1000;
	send_body(f, 0, p, 256 * 1024, 288 * 1024);
	TURN_UNTIL(f, stats_get(&f->heritage.stats->parked) == 1);
	assert_int_equal(p->n, 256 * 1024 + 1000);
	assert_int_equal(stats_get(&f->heritage.stats->pipes), 0); /* closed with what was in it */
	(void)snprintf(head, sizeof(head),
	               "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%d/%d\r\nContent-Length: %zu\r\n\r\n", p->n,
	               SIZE - 1, SIZE, SIZE - p->n);
	fake_answers(f, head, THEN_KEEP);
	const size_t at = p->n;
	pull_read(p, SIZE_MAX);
	TURN_UNTIL(f, f->requests == 2);
	assert_non_null(strstr(f->last_request, "\r\nRange: bytes=263144-"));
	send_body(f, 1, p, at, SIZE);
	TURN_UNTIL(f, pull_over(p));
	assert_whole(p, SIZE);
	pull_free(p);
}

/* A pull given up with bytes in the pipe: no other body gets them. */
static void what_nobody_wants_any_more_goes_to_nobody_else(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	struct taking *p = pull(f);
	answers_with_head(f, SIZE);
	TURN_UNTIL(f, p->head);
	p->room = 100;
	send_body(f, 0, p, 0, 128 * 1024);
	p->room = SIZE_MAX;
	pull_read(p, 100 * 1024);
	pull_free(p);
	assert_int_equal(stats_get(&f->heritage.stats->pipes), 0);
	assert_int_equal(stats_get(&f->stats->connections), 0);
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)~body[i];
	run_whole(f, SIZE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_large_body_goes_through_a_pipe),
		TEST(a_short_one_is_copied),
		TEST(what_cannot_be_piped_is_copied),
		TEST(without_pipes_it_is_copied),
		TEST(what_is_in_the_pipe_comes_before_what_is_fetched_again),
		TEST(what_is_in_the_pipe_of_a_parked_client_is_fetched_again),
		TEST(what_nobody_wants_any_more_goes_to_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
