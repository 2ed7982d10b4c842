/* Small files with secrets, and tokens in shared memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "secret.h"
#include "shm.h"

static char path[] = "/tmp/regrelay-test-secret-XXXXXX";

static int setup(void **state)
{
	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

/* Memory that is given back must not hold this any more; NULL = nobody looks. */
static const char *forgotten;

void __real_free(void *p);
void __wrap_free(void *p);

void __wrap_free(void *p)
{
	if (p && forgotten)
		assert_null(memmem(p, malloc_usable_size(p), forgotten, strlen(forgotten)));
	__real_free(p);
}

static void write_file(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void test_read(void **state)
{
	static char big[SECRET_MAX + 2];
	char *got = NULL;
	struct err e;
	size_t n;

	(void)state;
	write_file("pass word\r\n \n", 12);
	assert_int_equal(secret_read(path, &got, &n, &e), 0);
	assert_string_equal(got, "pass word");
	assert_int_equal(n, 9);
	secret_free(TAKE(got));
	write_file(" \n", 2);
	assert_int_equal(secret_read(path, &got, NULL, &e), -ENODATA);
	assert_non_null(strstr(e.text, path));
	write_file("a\0b", 3);
	assert_int_equal(secret_read(path, &got, NULL, &e), -EINVAL);
	memset(big, 'x', sizeof(big));
	write_file(big, SECRET_MAX + 1);
	assert_int_equal(secret_read(path, &got, NULL, &e), -EFBIG);
	write_file(big, SECRET_MAX);
	assert_int_equal(secret_read(path, &got, &n, &e), 0);
	assert_int_equal(n, SECRET_MAX);
	secret_free(TAKE(got));
	assert_int_equal(secret_read("/tmp", &got, NULL, &e), -EINVAL);
	assert_int_equal(secret_read("/nonexistent/x", &got, NULL, &e), -ENOENT);
	assert_null(got);
	secret_free(NULL);
}

/* Of a file that is refused nothing stays in memory either, also not behind a NUL byte. */
static void test_refused_and_forgotten(void **state)
{
	static char big[SECRET_MAX + 1] = "a\0hunter2";
	static const struct { const char *bytes; size_t n; int error; } rows[] = {
		{ "a\0hunter2", 9, -EINVAL }, { "hunter2\0", 8, -EINVAL }, { "hunter2\0\0\n", 10, -EINVAL }, { "\0\0", 2, -EINVAL },
		{ big, sizeof(big), -EFBIG },
	};
	char *got = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		write_file(rows[i].bytes, rows[i].n);
		forgotten = "hunter2";
		assert_int_equal(secret_read(path, &got, NULL, &e), rows[i].error);
		forgotten = NULL;
		assert_null(got);
	}
}

static void test_path(void **state)
{
	char got[PATH_MAX];
	struct err e;

	(void)state;
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(secret_path("/etc/x", got, sizeof(got), &e), 0);
	assert_string_equal(got, "/etc/x");
	assert_int_equal(secret_path("credential:cp", got, sizeof(got), &e), -ENOENT);
	assert_non_null(strstr(e.text, "LoadCredential="));
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/regrelay.service", 1), 0);
	assert_int_equal(secret_path("credential:cp", got, sizeof(got), &e), 0);
	assert_string_equal(got, "/run/credentials/regrelay.service/cp");
	assert_int_equal(secret_path("credential:cp", got, 10, &e), -ENAMETOOLONG);
}

static void test_what_a_token_is(void **state)
{
	static char big[TOKEN_MAX + 1];

	(void)state;
	assert_true(token_is_ok(SV("eyJhbGciOiJIUzI1NiJ9.e30.abc_-~+/=")));
	assert_true(token_is_ok(SV("a==")));
	assert_false(token_is_ok(SV("")));
	assert_false(token_is_ok(SV("=")));
	assert_false(token_is_ok(SV("a=b")));
	assert_false(token_is_ok(SV("a b")));
	assert_false(token_is_ok(SV("a\r\nX: y")));
	assert_false(token_is_ok(SV("\"a\"")));
	memset(big, 'x', sizeof(big));
	assert_true(token_is_ok(sv_make(big, TOKEN_MAX)));
	assert_false(token_is_ok(sv_make(big, TOKEN_MAX + 1)));
}

static void test_published_and_read(void **state)
{
	struct err e;
	struct shm *shm = shm_open_anonymous(&e);
	struct token t = { .state = TOKEN_GOOD, .serial = 7, .until_ms = 99, .n = 3, .bytes = "abc" }, got;

	(void)state;
	assert_non_null(shm);
	struct token_entry *entry = &shm->token[1][2];
	assert_int_equal(token_read(entry, &got), 0);
	assert_int_equal(got.state, TOKEN_PENDING);
	const uint32_t before = token_seq(entry);
	token_publish(entry, &t);
	assert_int_not_equal(token_seq(entry), before);
	assert_int_equal(token_read(entry, &got), 0);
	assert_memory_equal(&got, &t, sizeof(t));
	assert_int_equal(token_last_serial(entry), 7);
	/* A writer that died in the middle; the next one repairs it. */
	atomic_store(&entry->seq, token_seq(entry) | 1u);
	assert_int_equal(token_read(entry, &got), -EAGAIN);
	assert_true(token_last_serial(entry) > 7);
	token_publish(entry, &t);
	assert_int_equal(token_read(entry, &got), 0);
	/* What others wrote is a claim. */
	entry->token.n = UINT32_MAX;
	memset(entry->token.error, 'x', sizeof(entry->token.error));
	assert_int_equal(token_read(entry, &got), 0);
	assert_int_equal(got.n, TOKEN_MAX);
	assert_int_equal(strlen(got.error), sizeof(got.error) - 1);
	atomic_store(&entry->refused, 7);
	token_reset(shm->token[1], SHM_TOKENS);
	assert_int_equal(token_read(entry, &got), 0);
	assert_int_equal(got.serial, 0);
	assert_int_equal(atomic_load(&entry->refused), 0);
	assert_int_equal(entry->token.bytes[0], 0);
	shm_close(shm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_and_forgotten, setup, teardown),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_what_a_token_is),
		cmocka_unit_test(test_published_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
