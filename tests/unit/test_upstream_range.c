/* Byte ranges, what answers say of them, and what ties a second answer to the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "range.h"
#include "validator.h"

/* --- heads ----------------------------------------------------------------------------------------------- */

/* length: RANGE_UNKNOWN = chunked. */
static struct http_head head(unsigned status, uint64_t length)
{
	return (struct http_head){
		.status = status,
		.framing = length == RANGE_UNKNOWN ? HTTP_BODY_CHUNKED : HTTP_BODY_LENGTH,
		.content_length = length == RANGE_UNKNOWN ? 0 : length,
	};
}

static void add(struct http_head *h, const char *name, const char *value)
{
	http_head_add(h, sv_str(name), sv_str(value));
}

static struct http_head part(uint64_t length, const char *content_range)
{
	struct http_head h = head(206, length);

	add(&h, "Content-Range", content_range);
	return h;
}

/* --- Content-Range --------------------------------------------------------------------------------------- */

static void content_range_is_read_strictly(void **state)
{
	static const struct {
		const char *text;
		uint64_t first, end, total;
	} good[] = {
		{ "bytes 0-0/1", 0, 1, 1 },
		{ "bytes 5-9/10", 5, 10, 10 },
		{ "BYTES 5-9/*", 5, 10, RANGE_UNKNOWN },
		{ "bytes 0-9223372036854775806/9223372036854775807", 0, RANGE_BYTES_MAX, RANGE_BYTES_MAX },
	};
	static const char *const bad[] = {
		"", "bytes", "bytes ", "bytes 5-9", "bytes 5-9/", "bytes 5/10", "bytes -9/10", "bytes 5-/10", "bytes 9-5/10",
		"bytes 5-10/10", "bytes  5-9/10", "bytes 5-9 /10", "bytes 5-9/ 10", "bytes 5 - 9/10", "bytes=5-9/10", "5-9/10",
		"octets 5-9/10", "bytes +5-9/10", "bytes 5-9/10,", "bytes 5-9/10/10", "bytes 0x5-9/10", "bytes */*", "bytes *",
		"bytes 5-*/10", "bytes 0-18446744073709551615/18446744073709551616", "bytes 0-9223372036854775808/*",
		"bytes 5-9/9", "bytes\t5-9/10", "bytes 5-9-11/12",
	};
	struct range_content c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(range_parse(sv_str(good[i].text), &c), 0);
		assert_true(!c.unsatisfied && c.first == good[i].first && c.end == good[i].end && c.total == good[i].total);
	}
	assert_int_equal(range_parse(SV("bytes */10"), &c), 0);
	assert_true(c.unsatisfied && c.total == 10);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (range_parse(sv_str(bad[i]), &c) == 0)
			fail_msg("\"%s\" passes", bad[i]);
}

/* --- the beginning --------------------------------------------------------------------------------------- */

static void begins(const struct http_head *h, uint64_t next, uint64_t end, uint64_t total)
{
	struct range r;

	assert_true(range_begin(&r, h));
	assert_true(r.next == next && r.end == end && r.total == total);
}

static void the_beginning_is_where_the_answer_says(void **state)
{
	struct http_head h = head(200, 10);

	(void)state;
	begins(&h, 0, 10, 10);
	add(&h, "Content-Encoding", "identity");
	begins(&h, 0, 10, 10);
	h = head(200, RANGE_UNKNOWN);
	begins(&h, 0, RANGE_UNKNOWN, RANGE_UNKNOWN);
	h = part(5, "bytes 5-9/20");
	begins(&h, 5, 10, 20);
	h = part(RANGE_UNKNOWN, "bytes 5-9/*");
	begins(&h, 5, 10, RANGE_UNKNOWN);
}

static void what_has_no_place_in_a_whole_does_not_begin(void **state)
{
	struct range r;
	struct http_head h[8];
	unsigned n = 0;

	(void)state;
	h[n] = head(200, 10);
	add(&h[n++], "Content-Encoding", "gzip");
	h[n] = part(10, "bytes 0-9/20");
	add(&h[n++], "Content-Type", "multipart/byteranges; boundary=x");
	h[n] = part(5, "bytes 5-9/20");
	add(&h[n++], "Content-Range", "bytes 5-9/20");
	h[n++] = part(4, "bytes 5-9/20");
	h[n++] = head(206, 5);
	h[n++] = head(404, 5);
	h[n] = head(200, 5);
	h[n++].framing = HTTP_BODY_CLOSE;
	h[n] = head(200, 0);
	h[n++].framing = HTTP_BODY_NONE;
	for (unsigned i = 0; i < n; i++)
		if (range_begin(&r, &h[i]))
			fail_msg("head %u begins", i);
}

/* --- asking ---------------------------------------------------------------------------------------------- */

static void asks(struct range r, uint64_t most, const char *expected)
{
	char text[RANGE_TEXT_MAX];

	range_text(&r, most, text);
	assert_string_equal(text, expected);
}

static void what_is_missing_is_asked_for(void **state)
{
	const struct range all = { 100, 1000, 1000 }, own = { 100, 200, 1000 }, open = { 7, RANGE_UNKNOWN, RANGE_UNKNOWN };

	(void)state;
	asks(all, RANGE_UNKNOWN, "bytes=100-");
	asks(all, 50, "bytes=100-149");
	asks(all, 900, "bytes=100-");
	asks(all, 5000, "bytes=100-");
	asks(own, RANGE_UNKNOWN, "bytes=100-199");
	asks(own, 50, "bytes=100-149");
	asks(own, 100, "bytes=100-199");
	asks(open, RANGE_UNKNOWN, "bytes=7-");
	asks(open, 3, "bytes=7-9");
	asks((struct range){ 0, RANGE_BYTES_MAX - 1, RANGE_BYTES_MAX }, RANGE_UNKNOWN, "bytes=0-9223372036854775805");
	assert_int_equal(range_left(&own), 100);
	assert_true(range_left(&open) == RANGE_UNKNOWN);
}

/* --- answers --------------------------------------------------------------------------------------------- */

static const struct range wanted = { 100, 1000, 1000 };

static void goes_on(struct range r, const struct http_head *h, uint64_t skip, uint64_t until)
{
	struct range_answer a;

	if (range_judge(&r, h, &a) != RANGE_GOES_ON)
		fail_msg("refused: %s", a.why);
	assert_true(a.skip == skip && a.until == until);
	assert_true(r.end != RANGE_UNKNOWN || until == RANGE_UNKNOWN);
}

static void lies(struct range r, struct http_head h)
{
	struct range_answer a = { .why = NULL };

	assert_int_equal(range_judge(&r, &h, &a), RANGE_ANOTHER);
	assert_non_null(a.why);
}

static void an_exact_part_goes_on(void **state)
{
	const struct range own = { 100, 200, 1000 };
	struct http_head h = part(900, "bytes 100-999/1000");

	(void)state;
	goes_on(wanted, &h, 0, 1000);
	h = part(RANGE_UNKNOWN, "bytes 100-999/1000");
	goes_on(wanted, &h, 0, 1000);
	h = part(10, "bytes 100-109/1000"); /* less than asked for: the rest is asked for after it */
	goes_on(wanted, &h, 0, 110);
	h = part(900, "bytes 100-999/*");
	goes_on(wanted, &h, 0, 1000);
	h = part(100, "bytes 100-199/1000");
	goes_on(own, &h, 0, 200);
	h = part(900, "bytes 100-999/1000");
	h.framing = HTTP_BODY_CLOSE;
	goes_on(wanted, &h, 0, 1000);
}

static void a_part_that_contradicts_is_another(void **state)
{
	struct http_head h = part(900, "bytes 100-999/1000");

	(void)state;
	lies(wanted, part(900, "bytes 99-998/1000"));
	lies(wanted, part(899, "bytes 101-999/1000"));
	lies(wanted, part(901, "bytes 100-1000/1001"));
	lies(wanted, part(899, "bytes 100-998/999"));
	lies(wanted, part(899, "bytes 100-999/1000"));
	lies(wanted, part(901, "bytes 100-1000/*"));
	lies(wanted, part(900, "bytes */1000"));
	lies(wanted, part(900, "bytes 100-999"));
	lies(wanted, head(206, 900));
	lies((struct range){ 100, 200, 1000 }, part(900, "bytes 100-999/1000"));
	add(&h, "Content-Range", "bytes 100-999/1000");
	lies(wanted, h);
	h = part(900, "bytes 100-999/1000");
	add(&h, "Content-Encoding", "gzip");
	lies(wanted, h);
	h = part(900, "bytes 100-999/1000");
	add(&h, "Content-Type", "multipart/byteranges");
	lies(wanted, h);
	h = part(900, "bytes 100-999/1000");
	h.framing = HTTP_BODY_NONE;
	lies(wanted, h);
}

static void a_whole_is_skipped_into(void **state)
{
	const struct range open = { 100, RANGE_UNKNOWN, RANGE_UNKNOWN };
	struct http_head h = head(200, 1000);

	(void)state;
	goes_on(wanted, &h, 100, 1000);
	goes_on((struct range){ 100, 200, 1000 }, &h, 100, 1000);
	goes_on(open, &h, 100, 1000);
	h = head(200, RANGE_UNKNOWN);
	goes_on(wanted, &h, 100, RANGE_UNKNOWN);
	goes_on(open, &h, 100, RANGE_UNKNOWN);
	lies(wanted, head(200, 999));
	lies(wanted, head(200, 1001));
	lies(open, head(200, 99));
	h.framing = HTTP_BODY_CLOSE;
	goes_on(wanted, &h, 100, RANGE_UNKNOWN);
	lies(open, h);
}

static void the_total_is_learnt_once(void **state)
{
	struct range open = { 100, RANGE_UNKNOWN, RANGE_UNKNOWN }, own = { 100, 200, RANGE_UNKNOWN };
	struct http_head h = part(900, "bytes 100-999/1000");
	struct range_answer a;

	(void)state;
	lies(open, part(900, "bytes 100-999/*")); /* where it ends nobody would know */
	assert_int_equal(range_judge(&open, &h, &a), RANGE_GOES_ON);
	assert_true(open.end == 1000 && open.total == 1000);
	lies(open, part(901, "bytes 100-1000/1001"));
	h = part(100, "bytes 100-199/1000");
	assert_int_equal(range_judge(&own, &h, &a), RANGE_GOES_ON);
	assert_true(own.end == 200 && own.total == 1000);
	own = (struct range){ 100, 200, RANGE_UNKNOWN };
	lies(own, part(50, "bytes 100-149/150"));
}

static void nothing_left_is_the_end_only_at_the_end(void **state)
{
	struct range r = { 1000, RANGE_UNKNOWN, RANGE_UNKNOWN };
	struct http_head h = head(416, 0);
	struct range_answer a;

	(void)state;
	lies(r, h);
	add(&h, "Content-Range", "bytes */1000");
	assert_int_equal(range_judge(&r, &h, &a), RANGE_COMPLETE);
	assert_true(r.end == 1000 && r.total == 1000);
	lies(wanted, h);
	lies((struct range){ 999, RANGE_UNKNOWN, RANGE_UNKNOWN }, h);
	lies((struct range){ 1001, RANGE_UNKNOWN, RANGE_UNKNOWN }, h);
}

/* --- the same ? ------------------------------------------------------------------------------------------ */

#define DIGEST "sha256:aa"

static void a_digest_in_the_url_is_enough(void **state)
{
	struct http_head first = head(200, 10), other = head(206, 5);
	struct validator v;

	(void)state;
	add(&first, "ETag", "\"a\"");
	add(&other, "ETag", "\"b\"");
	assert_true(validator_learn(&v, SV("/v2/a/blobs/" DIGEST), &first));
	assert_string_equal(validator_if_range(&v), "");
	assert_true(validator_same(&v, &other));
	first.fields = 0;
	assert_true(validator_learn(&v, SV("/v2/a/manifests/" DIGEST "?ns=x"), &first));
	assert_false(validator_learn(&v, SV("/v2/a/manifests/t1"), &first));
	assert_false(validator_learn(&v, SV("/v2/a/tags/list?x=/blobs/" DIGEST), &first));
	assert_false(validator_learn(&v, SV("/v2/a/referrers/" DIGEST), &first));
	assert_false(validator_learn(&v, SV(""), &first));
}

/* What a second answer with these validators is worth; "" = none. */
static bool same(const struct validator *v, unsigned status, const char *etag, const char *digest)
{
	struct http_head h = head(status, 5);

	if (etag[0])
		add(&h, "ETag", etag);
	if (digest[0])
		add(&h, "Docker-Content-Digest", digest);
	return validator_same(v, &h);
}

static void a_tag_needs_the_same_etag_or_digest(void **state)
{
	const struct strview path = SV("/v2/a/manifests/t1");
	struct http_head h = head(200, 10);
	struct validator v;

	(void)state;
	add(&h, "ETag", "W/\"a\"");
	assert_false(validator_learn(&v, path, &h));
	add(&h, "Docker-Content-Digest", DIGEST);
	assert_true(validator_learn(&v, path, &h));
	assert_string_equal(validator_if_range(&v), "");
	assert_true(same(&v, 206, "", DIGEST) && same(&v, 200, "\"new\"", DIGEST));
	assert_false(same(&v, 206, "", "") || same(&v, 206, "", "sha256:bb") || same(&v, 200, "", ""));

	h = head(200, 10);
	add(&h, "etag", "\"a\"");
	assert_true(validator_learn(&v, path, &h));
	assert_string_equal(validator_if_range(&v), "\"a\"");
	assert_true(same(&v, 206, "\"a\"", "") && same(&v, 206, "", "") && same(&v, 200, "\"a\"", ""));
	assert_false(same(&v, 206, "\"b\"", "") || same(&v, 200, "\"b\"", "") || same(&v, 200, "", "")
	             || same(&v, 206, "W/\"a\"", ""));

	add(&h, "Docker-Content-Digest", DIGEST);
	assert_true(validator_learn(&v, path, &h));
	assert_true(same(&v, 200, "", DIGEST) && same(&v, 206, "\"a\"", DIGEST));
	assert_false(same(&v, 206, "\"a\"", "sha256:bb") || same(&v, 206, "\"b\"", DIGEST));
}

static void a_validator_given_twice_or_too_long_is_none(void **state)
{
	static char longer[VALIDATOR_MAX + 2];
	struct http_head h = head(200, 10);
	struct validator v;

	(void)state;
	add(&h, "ETag", "\"a\"");
	add(&h, "ETag", "\"a\"");
	assert_false(validator_learn(&v, SV("/v2/a/manifests/t1"), &h));
	memset(longer, '"', sizeof(longer) - 1);
	h.fields = 0;
	add(&h, "ETag", longer);
	assert_false(validator_learn(&v, SV("/v2/a/manifests/t1"), &h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_range_is_read_strictly),
		cmocka_unit_test(the_beginning_is_where_the_answer_says),
		cmocka_unit_test(what_has_no_place_in_a_whole_does_not_begin),
		cmocka_unit_test(what_is_missing_is_asked_for),
		cmocka_unit_test(an_exact_part_goes_on),
		cmocka_unit_test(a_part_that_contradicts_is_another),
		cmocka_unit_test(a_whole_is_skipped_into),
		cmocka_unit_test(the_total_is_learnt_once),
		cmocka_unit_test(nothing_left_is_the_end_only_at_the_end),
		cmocka_unit_test(a_digest_in_the_url_is_enough),
		cmocka_unit_test(a_tag_needs_the_same_etag_or_digest),
		cmocka_unit_test(a_validator_given_twice_or_too_long_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
