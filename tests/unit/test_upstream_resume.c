/* Bodies that break off, against a scripted upstream on loopback: gone on with, or cut, never ended; and clients that take
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>

#include "clock.h"
#include "upstream_fixture.h"

#define BLOB   "/v2/a/blobs/sha256:00"
#define TAG    "/v2/a/manifests/t"
#define WHOLE  "0123456789"
#define OK_200 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
#define PART(first, last, total, n) \
	"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " #first "-" #last "/" #total "\r\nContent-Length: " #n "\r\n"
#define FROM_4 PART(4, 9, 10, 6) "\r\n456789"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
#define NO_CONNECTOR \
	"HTTP/1.1 503 Unavailable\r\nContent-Length: 30\r\n\r\nThere is no SAP Cloud Connector"

static int setup(void **state)
{
	struct fixture *f = fixture_new();

	f->proxy.resume_timeout = 8000;
	f->proxy.stall_grace = 5000;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stats_get(&f->heritage.stats->parked), 0);
	fixture_free(f);
	return 0;
}

static struct taking *run(struct fixture *f, const char *path)
{
	struct taking *p = pull_new(f, 0, HTTP_GET, path, true);

	TURN_UNTIL(f, pull_over(p));
	return p;
}

static void assert_got(const struct taking *p, const char *expected)
{
	assert_true(p->ended);
	assert_int_equal(p->n, strlen(expected));
	if (p->n)
		assert_memory_equal(p->got, expected, p->n);
}

/* Two answers make one body. */
static void run_saved(struct fixture *f, const char *path, const char *first, enum fake_then then, const char *second,
                      const char *expected)
{
	fake_answers(f, first, then);
	fake_answers(f, second, THEN_KEEP);
	struct taking *p = run(f, path);
	assert_got(p, expected);
	assert_int_equal(p->facts.resumes, 1);
	pull_free(p);
}

/* The second answer is not what was asked for. */
static void run_cut(struct fixture *f, const char *path, const char *first, const char *second, enum error_id id)
{
	const unsigned before = f->requests;

	fake_answers(f, first, THEN_CLOSE);
	if (second)
		fake_answers(f, second, THEN_KEEP);
	struct taking *p = run(f, path);
	assert_true(p->head && p->cut);
	assert_string_equal(error_row(p->source->failure.id)->name, error_row(id)->name);
	assert_int_equal(f->requests - before, second ? 2 : 1);
	assert_int_equal(stats_get(&f->stats->connections), 0);
	pull_free(p);
}

static bool asked(const struct fixture *f, const char *line)
{
	return strstr(f->last_request, line) != NULL;
}

/* --- saved ------------------------------------------------------------------------------------------------ */

static void what_is_missing_comes_on_a_new_connection(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	run_saved(f, BLOB, OK_200 "\r\n0123", THEN_CLOSE, FROM_4, WHOLE);
	assert_true(asked(f, "\r\nRange: bytes=4-\r\n") && !asked(f, "If-Range"));
	assert_int_equal(f->conns, 2);
	assert_int_equal(stats_get(&f->heritage.stats->resumes_closed), 1);
	assert_int_equal(stats_get(&f->stats->errors[REASON_RESET]), 1);
	assert_int_equal(stats_get(&f->stats->last_error_ms), 0);
	assert_int_equal(stats_get(&f->stats->idle), 1);
	run_saved(f, BLOB, OK_200 "\r\n0123", THEN_RESET, FROM_4, WHOLE);
	assert_int_equal(stats_get(&f->heritage.stats->resumes_reset), 1);
}

static void it_is_gone_on_with_again_and_again(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n", THEN_CLOSE);
	fake_answers(f, PART(0, 9, 10, 10) "\r\n0", THEN_CLOSE);
	fake_answers(f, PART(1, 9, 10, 9) "\r\n123", THEN_RESET);
	fake_answers(f, NULL, THEN_CLOSE);
	fake_answers(f, "HTTP/1.1 206 Part", THEN_CLOSE);
	fake_answers(f, NO_CONNECTOR, THEN_KEEP);
	fake_answers(f, FROM_4, THEN_KEEP);
	struct taking *p = run(f, BLOB);
	assert_got(p, WHOLE);
	assert_int_equal(p->facts.resumes, 3);
	assert_int_equal(p->facts.resumed_at, 4);
	assert_int_equal(p->facts.tries, 7);
	pull_free(p);
	assert_int_equal(stats_get(&f->heritage.stats->resumes_failed), 0);
}

static void a_range_ignored_is_skipped_into(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	run_saved(f, BLOB, OK_200 "\r\n0123", THEN_CLOSE, OK_200 "\r\n" WHOLE, WHOLE);
	assert_int_equal(stats_get(&f->heritage.stats->resume_skipped), 4);
	assert_int_equal(stats_get(&f->stats->idle), 1);
	run_saved(f, BLOB, OK_200 "\r\n0123", THEN_CLOSE, CHUNKED "\r\n3\r\n012\r\n7\r\n3456789\r\n0\r\n\r\n", WHOLE);
	/* broken off again within the skip */
	fake_answers(f, OK_200 "\r\n0123", THEN_CLOSE);
	fake_answers(f, OK_200 "\r\n01", THEN_CLOSE);
	fake_answers(f, OK_200 "\r\n" WHOLE, THEN_KEEP);
	struct taking *p = run(f, BLOB);
	assert_got(p, WHOLE);
	assert_int_equal(p->facts.skipped, 6);
	pull_free(p);
}

static void chunks_are_counted_decoded(void **state)
{
	struct fixture *f = *state;
	const char *first = CHUNKED "\r\n2\r\n01\r\n8\r\n23";

	fixture_begin(f);
	run_saved(f, BLOB, first, THEN_CLOSE, FROM_4, WHOLE);
	assert_true(asked(f, "\r\nRange: bytes=4-\r\n"));
	run_saved(f, BLOB, first, THEN_RESET, CHUNKED "\r\na\r\n" WHOLE "\r\n0\r\n\r\n", WHOLE);
	run_saved(f, BLOB, first, THEN_CLOSE,
	          "HTTP/1.1 206 P\r\nContent-Range: bytes 4-9/10\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n456789\r\n0\r\n\r\n", WHOLE);
	/* only the end was missing */
	run_saved(f, BLOB, CHUNKED "\r\na\r\n" WHOLE "\r\n0\r\n", THEN_CLOSE,
	          "HTTP/1.1 416 R\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n", WHOLE);
	assert_true(asked(f, "\r\nRange: bytes=10-\r\n"));
}

/* What was left to skip of an answer that broke off, too, is no other answer's. */
static void nothing_is_skipped_of_an_answer_without_bytes(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, CHUNKED "\r\na\r\n" WHOLE "\r\n0\r\n", THEN_CLOSE);
	fake_answers(f, CHUNKED "\r\na\r\n012", THEN_CLOSE);
	fake_answers(f, "HTTP/1.1 416 R\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n", THEN_KEEP);
	struct taking *p = run(f, BLOB);
	assert_got(p, WHOLE);
	assert_int_equal(p->facts.skipped, 3);
	pull_free(p);
}

static void a_part_is_asked_for_again_within_its_bounds(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	f->extra = (struct http_field){ SV("range"), SV("bytes=2-7") };
	run_saved(f, BLOB, PART(2, 7, 10, 6) "\r\n23", THEN_CLOSE, PART(4, 7, 10, 4) "\r\n4567", "234567");
	assert_true(asked(f, "\r\nRange: bytes=4-7\r\n") && !asked(f, "2-7"));
	run_saved(f, BLOB, PART(2, 7, 10, 6) "\r\n23", THEN_CLOSE, OK_200 "\r\n" WHOLE, "234567");
	run_saved(f, BLOB, PART(2, 9, 10, 8) "\r\n23", THEN_CLOSE, FROM_4, "23456789");
	assert_true(asked(f, "\r\nRange: bytes=4-\r\n"));
}

static void less_than_asked_for_is_followed_by_the_rest(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n01", THEN_CLOSE);
	fake_answers(f, PART(2, 4, 10, 3) "\r\n234", THEN_KEEP);
	fake_answers(f, PART(5, 9, 10, 5) "\r\n56789", THEN_KEEP);
	struct taking *p = run(f, BLOB);
	assert_got(p, WHOLE);
	assert_int_equal(p->facts.resumes, 1);
	pull_free(p);
	assert_int_equal(f->conns, 2); /* the rest went over the same one */
}

static void a_tag_is_bound_to_its_etag(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	f->extra = (struct http_field){ SV("If-None-Match"), SV("\"z\"") };
	run_saved(f, TAG, OK_200 "ETag: \"a\"\r\n\r\n0123", THEN_CLOSE, FROM_4, WHOLE);
	assert_true(asked(f, "\r\nIf-Range: \"a\"\r\nRange: bytes=4-\r\n") && !asked(f, "If-None-Match"));
}

static void a_stall_is_broken_off(void **state)
{
	struct fixture *f = *state;

	f->proxy.stall_timeout = 2500; /* a busy machine is no stall */
	fixture_begin(f);
	run_saved(f, BLOB, OK_200 "\r\n0123", THEN_KEEP, FROM_4, WHOLE);
	assert_int_equal(stats_get(&f->heritage.stats->resumes_stall), 1);
	/* silence instead of the answer to an attempt is one, too */
	fake_answers(f, OK_200 "\r\n0123", THEN_CLOSE);
	run_saved(f, BLOB, NULL, THEN_KEEP, FROM_4, WHOLE);
	assert_int_equal(stats_get(&f->heritage.stats->resumes_closed), 1);
}

/* --- cut -------------------------------------------------------------------------------------------------- */

static void what_contradicts_cuts(void **state)
{
	struct fixture *f = *state;
	const char *first = OK_200 "\r\n0123";

	fixture_begin(f);
	run_cut(f, BLOB, first, PART(3, 9, 10, 7) "\r\n3456789", ERROR_UPSTREAM_CHANGED);
	run_cut(f, BLOB, first, PART(4, 10, 11, 7) "\r\n456789a", ERROR_UPSTREAM_CHANGED);
	run_cut(f, BLOB, first, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n012345678", ERROR_UPSTREAM_CHANGED);
	run_cut(f, BLOB, first, "HTTP/1.1 416 R\r\nContent-Range: bytes */4\r\nContent-Length: 0\r\n\r\n",
	        ERROR_UPSTREAM_CHANGED);
	run_cut(f, BLOB, first, CHUNKED "\r\n2\r\n01\r\n0\r\n\r\n", ERROR_UPSTREAM_CHANGED);
	run_cut(f, BLOB, first, "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	        ERROR_UPSTREAM_ERROR);
	run_cut(f, BLOB, first, "hello\r\n\r\n", ERROR_UPSTREAM_MALFORMED);
	run_cut(f, TAG, OK_200 "ETag: \"a\"\r\n\r\n0123", OK_200 "ETag: \"b\"\r\n\r\n" WHOLE, ERROR_UPSTREAM_CHANGED);
	run_cut(f, TAG, OK_200 "Docker-Content-Digest: sha256:aa\r\n\r\n0123", FROM_4, ERROR_UPSTREAM_CHANGED);
}

static void what_cannot_be_asked_for_again_is_cut_at_once(void **state)
{
	struct fixture *f = *state;

	fixture_begin(f);
	run_cut(f, TAG, OK_200 "\r\n0123", NULL, ERROR_UPSTREAM_CLOSED);
	run_cut(f, BLOB, OK_200 "Content-Encoding: gzip\r\n\r\n0123", NULL, ERROR_UPSTREAM_CLOSED);
	run_cut(f, BLOB, PART(0, 9, 20, 10) "Content-Type: multipart/byteranges; boundary=x\r\n\r\n0123", NULL,
	        ERROR_UPSTREAM_CLOSED);
	run_cut(f, BLOB, CHUNKED "\r\n2\r\n01x\r\n", NULL, ERROR_UPSTREAM_MALFORMED);
	assert_int_equal(stats_get(&f->heritage.stats->resumes_failed), 0);
}

static void the_time_without_a_byte_ends(void **state)
{
	struct fixture *f = *state;

	f->proxy.resume_timeout = 3000;
	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n0123", THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, true);
	TURN_UNTIL(f, p->n == 4);
	fake_refuses(f);
	fake_ends(f, 0, false);
	uint64_t began = clock_now_ms();
	TURN_UNTIL(f, pull_over(p));
	assert_true(p->cut);
	assert_in_range(clock_now_ms() - began, 100, 6000);
	assert_int_equal(p->source->failure.id, ERROR_PROXY_UNREACHABLE);
	assert_non_null(strstr(p->source->failure.text, "after 4 bytes: Connection refused"));
	assert_int_equal(stats_get(&f->heritage.stats->resumes_failed), 1);
	pull_free(p);
}

/* The process stood still meanwhile: what an attempt may take is nothing then, not less. */
static void an_attempt_that_comes_too_late_tells_no_time(void **state)
{
	struct fixture *f = *state;

	f->proxy.resume_timeout = 1500;
	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n0123", THEN_CLOSE);
	fake_answers(f, NULL, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, true);
	TURN_UNTIL(f, stats_get(&f->stats->errors[REASON_RESET]) == 1);
	const uint64_t over_ms = clock_now_ms() + f->proxy.resume_timeout;
	while (clock_now_ms() <= over_ms)
		(void)poll(NULL, 0, 50);
	TURN_UNTIL(f, pull_over(p));
	assert_true(p->cut);
	assert_null(strstr(p->source->failure.text, "184467440737"));
	pull_free(p);
}

static void with_no_time_allowed_nothing_is_tried(void **state)
{
	struct fixture *f = *state;

	f->proxy.resume_timeout = 0;
	fixture_begin(f);
	run_cut(f, BLOB, OK_200 "\r\n0123", NULL, ERROR_UPSTREAM_CLOSED);
}

static void who_leaves_meanwhile_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct taking *p;

	f->proxy.stall_grace = 50;
	fixture_begin(f);
	/* in the pause; with the attempt under way; parked */
	fake_answers(f, OK_200 "\r\n0123", THEN_CLOSE);
	p = pull_new(f, 0, HTTP_GET, BLOB, true);
	TURN_UNTIL(f, p->n == 4 && f->open == 0 && strstr(p->source->waits_for, "next attempt"));
	pull_free(p);
	fake_answers(f, OK_200 "\r\n0123", THEN_CLOSE);
	fake_answers(f, NULL, THEN_KEEP);
	p = pull_new(f, 0, HTTP_GET, BLOB, true);
	TURN_UNTIL(f, f->requests == 3);
	pull_free(p);
	fake_answers(f, OK_200 "\r\n0123", THEN_KEEP);
	p = pull_new(f, 0, HTTP_GET, BLOB, true);
	p->room = 2;
	TURN_UNTIL(f, stats_get(&f->heritage.stats->parked) == 1);
	pull_free(p);
}

/* --- clients that take nothing ---------------------------------------------------------------------------- */

static void a_client_that_takes_nothing_is_parked(void **state)
{
	struct fixture *f = *state;

	f->proxy.stall_grace = 50;
	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n0123", THEN_KEEP);
	fake_answers(f, PART(2, 9, 10, 8) "\r\n23456789", THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, true);
	p->room = 2;
	TURN_UNTIL(f, stats_get(&f->heritage.stats->parked) == 1);
	assert_int_equal(stats_get(&f->stats->connections), 0);
	TURN_UNTIL(f, f->open == 0);
	assert_non_null(strstr(p->source->waits_for, "parked"));
	settle(f);
	assert_int_equal(f->requests, 1);
	pull_read(p, SIZE_MAX);
	TURN_UNTIL(f, pull_over(p));
	assert_got(p, WHOLE);
	assert_true(asked(f, "\r\nRange: bytes=2-\r\n"));
	assert_true(p->facts.parks == 1 && p->facts.resumes == 1);
	assert_int_equal(stats_get(&f->heritage.stats->resumes_client), 1);
	pull_free(p);
}

static void pass(struct fixture *f, uint64_t ms)
{
	for (const uint64_t until = clock_now_ms() + ms; clock_now_ms() < until;)
		assert_int_equal(loop_turn(&f->loop, 20), 0);
}

static void assert_not_parked(struct fixture *f, const char *path, const char *answer)
{
	const unsigned before = f->requests;

	fake_answers(f, answer, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, path, true);
	p->room = 2;
	TURN_UNTIL(f, p->n == 2);
	pass(f, 120);
	assert_int_equal(stats_get(&f->heritage.stats->parks), 0);
	assert_int_equal(f->open, 1);
	fake_sends(f, f->conns - 1, "456789", 6);
	pull_read(p, SIZE_MAX);
	TURN_UNTIL(f, pull_over(p));
	assert_got(p, WHOLE);
	assert_int_equal(f->requests, before + 1);
	pull_free(p);
}

/* Who looks at the source's deadline (session_source_is_due_later) must not take what is behind it for overdue. */
static void in_the_queue_the_next_deadline_is_told(void **state)
{
	struct fixture *f = *state;
	struct stats_slot *other = &f->shm->slot[5];

	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n0123", THEN_KEEP);
	fake_answers(f, OK_200 "\r\n0123", THEN_KEEP);
	fake_answers(f, FROM_4, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, true), *q = pull_new(f, 0, HTTP_GET, BLOB, true);
	TURN_UNTIL(f, p->n == 4 && q->n == 4);
	stats_set(&other->beat_ms, 1);
	stats_set(&other->upstream[f->proxy.index].connections, 99);
	fake_ends(f, 0, false);
	TURN_UNTIL(f, strstr(p->source->waits_for, "a free connection"));
	pass(f, p->source->due_ms - clock_now_ms() + 20);
	assert_non_null(strstr(p->source->waits_for, "a free connection"));
	assert_true(p->source->due_ms > clock_now_ms());
	stats_set(&other->upstream[f->proxy.index].connections, 0);
	TURN_UNTIL(f, pull_over(p));
	assert_got(p, WHOLE);
	pull_free(p);
	pull_free(q);
}

/* It is no slow client that is full for a moment after a long silence of the upstream's. */
static void the_upstream_s_silence_is_not_its_client_s(void **state)
{
	struct fixture *f = *state;

	f->proxy.stall_grace = 200;
	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n01", THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, true);
	TURN_UNTIL(f, p->n == 2);
	pass(f, 250);
	p->room = 1;
	fake_sends(f, 0, "234", 3);
	TURN_UNTIL(f, p->n == 3);
	pull_read(p, SIZE_MAX);
	fake_sends(f, 0, "56789", 5);
	TURN_UNTIL(f, pull_over(p));
	assert_got(p, WHOLE);
	assert_int_equal(p->facts.parks, 0);
	assert_int_equal(f->requests, 1);
	pull_free(p);
}

static void what_cannot_be_resumed_waits_for_its_client(void **state)
{
	struct fixture *f = *state;

	f->proxy.stall_grace = 50;
	fixture_begin(f);
	assert_not_parked(f, TAG, OK_200 "Connection: close\r\n\r\n0123");
	assert_not_parked(f, BLOB, OK_200 "Connection: close\r\nAccept-Ranges: none\r\n\r\n0123");
}

static void what_is_here_already_waits_for_its_client(void **state)
{
	struct fixture *f = *state;

	f->proxy.stall_grace = 50;
	fixture_begin(f);
	fake_answers(f, OK_200 "\r\n" WHOLE, THEN_KEEP);
	struct taking *p = pull_new(f, 0, HTTP_GET, BLOB, true);
	p->room = 2;
	TURN_UNTIL(f, p->n == 2);
	pass(f, 120);
	pull_read(p, SIZE_MAX);
	assert_got(p, WHOLE);
	assert_int_equal(stats_get(&f->heritage.stats->parks), 0);
	pull_free(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_missing_comes_on_a_new_connection),
		TEST(it_is_gone_on_with_again_and_again),
		TEST(a_range_ignored_is_skipped_into),
		TEST(chunks_are_counted_decoded),
		TEST(nothing_is_skipped_of_an_answer_without_bytes),
		TEST(a_part_is_asked_for_again_within_its_bounds),
		TEST(less_than_asked_for_is_followed_by_the_rest),
		TEST(a_tag_is_bound_to_its_etag),
		TEST(a_stall_is_broken_off),
		TEST(what_contradicts_cuts),
		TEST(what_cannot_be_asked_for_again_is_cut_at_once),
		TEST(the_time_without_a_byte_ends),
		TEST(an_attempt_that_comes_too_late_tells_no_time),
		TEST(with_no_time_allowed_nothing_is_tried),
		TEST(who_leaves_meanwhile_leaves_nothing),
		TEST(a_client_that_takes_nothing_is_parked),
		TEST(in_the_queue_the_next_deadline_is_told),
		TEST(the_upstream_s_silence_is_not_its_client_s),
		TEST(what_cannot_be_resumed_waits_for_its_client),
		TEST(what_is_here_already_waits_for_its_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
