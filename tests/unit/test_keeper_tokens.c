/* Answers of token services, forms, and files that change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base64.h"
#include "fingerprint.h"
#include "token_answer.h"
#include "urlform.h"

#define WALL_MS 1000000000000ull

static void good(const char *body, const char *token, uint64_t life_ms)
{
	struct token t;
	struct err e;
	uint64_t got;

	assert_int_equal(token_answer_read(TOKEN_ANSWER_OAUTH, sv_str(body), WALL_MS, &t, &got, &e), 0);
	assert_int_equal(t.n, strlen(token));
	assert_memory_equal(t.bytes, token, t.n);
	assert_int_equal(got, life_ms);
}

static void test_good_answers(void **state)
{
	char jwt[256], body[512], claims[64], coded[128];

	(void)state;
	good("{\"access_token\":\"abc\",\"token_type\":\"bearer\",\"expires_in\":43199,\"scope\":\"uaa.resource\"}", "abc", 43199000);
	good("{\"access_token\":\"abc\",\"expires_in\":\"60\"}", "abc", 60000);
	good("{\"access_token\":\"abc\",\"expires_in\":1.5}", "abc", 1000);
	good("{\"access_token\":\"abc\"}", "abc", TOKEN_LIFE_DEFAULT_MS);
	good("{\"access_token\":\"abc\",\"expires_in\":99999999999}", "abc", 366ull * 86400 * 1000);
	good("{\"access_token\":\"abc\",\"expires_in\":1e300}", "abc", 366ull * 86400 * 1000);
	good("{\"access_token\":\"abc\",\"expires_in\":-1e300}", "abc", TOKEN_LIFE_DEFAULT_MS);
	(void)snprintf(claims, sizeof(claims), "{\"exp\":%llu.5}", WALL_MS / 1000 + 77); /* RFC 7519 2: NumericDate */
	(void)base64url_encode(sv_str(claims), coded);
	(void)snprintf(jwt, sizeof(jwt), "e30.%s.c2ln", coded);
	(void)snprintf(body, sizeof(body), "{\"access_token\":\"%s\"}", jwt);
	good(body, jwt, 77000);
	(void)snprintf(claims, sizeof(claims), "{\"exp\":%llu}", WALL_MS / 1000 + 77);
	(void)base64url_encode(sv_str(claims), coded);
	(void)snprintf(jwt, sizeof(jwt), "e30.%s.c2ln", coded);
	(void)snprintf(body, sizeof(body), "{\"access_token\":\"%s\"}", jwt);
	good(body, jwt, 77000);
}

static void test_answers_of_registries(void **state)
{
	static const struct {
		const char *body, *token;
		uint64_t life_ms;
	} rows[] = {
		{ "{\"token\":\"abc\"}", "abc", 60000 },
		{ "{\"access_token\":\"abc\",\"expires_in\":300,\"issued_at\":\"2020-01-01T00:00:00Z\"}", "abc", 300000 },
		{ "{\"access_token\":\"abd\",\"token\":\"abc\"}", "abc", 60000 },
		{ "{\"access_token\":\"abc\",\"token\":null}", "abc", 60000 }, /* some write all that they know of */
		{ "{\"access_token\":\"abc\",\"token\":\"\"}", "abc", 60000 },
	};
	struct token t;
	struct err e;
	uint64_t life;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(token_answer_read(TOKEN_ANSWER_REGISTRY, sv_str(rows[i].body), WALL_MS, &t, &life, &e), 0);
		assert_int_equal(t.n, strlen(rows[i].token));
		assert_memory_equal(t.bytes, rows[i].token, t.n);
		assert_int_equal(life, rows[i].life_ms);
	}
	assert_int_equal(token_answer_read(TOKEN_ANSWER_REGISTRY, SV("{\"id_token\":\"x\"}"), WALL_MS, &t, &life, &e), -EINVAL);
	assert_string_equal(e.text, "answers without a token");
}

static void test_answers_that_are_none(void **state)
{
	static const struct {
		const char *body, *why;
	} rows[] = {
		{ "", "something else than JSON" },
		{ "<html>", "something else than JSON" },
		{ "[]", "something else than JSON" },
		{ "{\"token\":\"abc\"}", "without an access_token" },
		{ "{\"access_token\":5}", "without an access_token" },
		{ "{\"access_token\":\"\"}", "malformed" },
		{ "{\"access_token\":\"a\\r\\nX-Evil: 1\"}", "malformed" },
		{ "{\"access_token\":\"abc\",\"access_token\":\"abd\"}", "something else than JSON" },
		{ "{\"access_token\":\"e30.eyJleHAiOjF9.c2ln\"}", "expired already" },
	};
	struct token t;
	struct err e;
	uint64_t life;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(token_answer_read(TOKEN_ANSWER_OAUTH, sv_str(rows[i].body), WALL_MS, &t, &life, &e), -EINVAL);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: '%s' instead of '%s'", i, e.text, rows[i].why);
	}
}

static void test_why_not(void **state)
{
	char why[32];

	(void)state;
	token_answer_why(SV("{\"error\":\"unauthorized\",\"error_description\":\"Bad\\ncredentials and more of them\"}"), why, sizeof(why));
	assert_string_equal(why, "unauthorized: Bad?credentials a");
	token_answer_why(SV("{\"error\":\"x\"}"), why, sizeof(why));
	assert_string_equal(why, "x");
	token_answer_why(SV("{\"errors\":[{\"code\":\"DENIED\",\"message\":\"wrong password\"}]}"), why, sizeof(why));
	assert_string_equal(why, "wrong password");
	token_answer_why(SV("{\"details\":\"incorrect\"}"), why, sizeof(why));
	assert_string_equal(why, "incorrect");
	token_answer_why(SV("<html>"), why, sizeof(why));
	assert_string_equal(why, "");
}

static void test_forms(void **state)
{
	struct bufpool pool;
	struct buf b = { 0 };

	(void)state;
	bufpool_init(&pool, 64, 0);
	assert_int_equal(buf_borrow(&b, &pool), 0);
	assert_true(urlform_put(&b, SV("a"), SV("x y&=+%\xc3\xa4")));
	assert_true(urlform_put(&b, SV("b"), SV("")));
	assert_true(sv_eq(buf_view(&b), SV("a=x%20y%26%3D%2B%25%C3%A4&b=")));
	assert_false(urlform_put(&b, SV("c"), SV("0123456789012345678901234567890123456789")));
	buf_wipe(&b, &pool);
	assert_null(b.mem);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void test_fingerprints(void **state)
{
	char dir[] = "/tmp/regrelay-test-print-XXXXXX", one[64], two[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(one, sizeof(one), "%s/one", dir);
	(void)snprintf(two, sizeof(two), "%s/two", dir);
	assert_int_equal(fingerprint(one), 1);
	const uint64_t empty = fingerprint(dir);
	put(one, "a");
	const uint64_t file = fingerprint(one), with_one = fingerprint(dir);
	assert_true(file > 1 && with_one != empty);
	assert_int_equal(fingerprint(one), file);
	assert_int_equal(fingerprint(dir), with_one);
	put(two, "b"); /* another file put in its place, of the same size */
	const uint64_t with_both = fingerprint(dir);
	assert_int_not_equal(with_both, with_one);
	assert_int_equal(rename(two, one), 0);
	assert_int_not_equal(fingerprint(one), file);
	assert_int_not_equal(fingerprint(dir), with_both);
	assert_int_not_equal(fingerprint(dir), with_one);
	assert_int_equal(unlink(one), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_answers), cmocka_unit_test(test_answers_of_registries),
		cmocka_unit_test(test_answers_that_are_none), cmocka_unit_test(test_why_not),
		cmocka_unit_test(test_forms), cmocka_unit_test(test_fingerprints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
