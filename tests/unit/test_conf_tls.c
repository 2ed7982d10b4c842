/* The certificate of the listeners: good files, wrong ones, and what is told of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "conf.h"
#include "scratch.h"
#include "tls_server.h"

#define SMALL "[proxy]\naddress = cp:20003\n[registry]\nhost = reg:5000\n[listen]\n" /* five lines */
#define PEM   8192
#define HOUR  3600l

static SSL_CTX *ca;
static char chain[PEM], key[PEM], other_chain[PEM], other_key[PEM];

static int setup(void **state)
{
	static const struct tls_server_options o = { .dns = "relay.example" };

	if (scratch_setup(state) < 0)
		return -1;
	ca = tls_server_new(&o);
	tls_server_leaf(&o, chain, key, PEM);
	tls_server_leaf(&o, other_chain, other_key, PEM);
	(void)scratch("chain", chain);
	(void)scratch("key", key);
	return 0;
}

static int teardown(void **state)
{
	tls_server_free(ca);
	return scratch_teardown(state);
}

static const char *configuration(const char *certificate_line, const char *key_line)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), SMALL "%s\n%s\n", certificate_line, key_line);
	return scratch("r.ini", text);
}

static const char *line(const char *name, const char *file)
{
	static char text[2][200];
	static unsigned n;
	char *dst = text[n++ % 2];

	if (file[0] == '/' || file[0] == 'c')
		(void)snprintf(dst, sizeof(text[0]), "%s = %s", name, file);
	else
		(void)snprintf(dst, sizeof(text[0]), "%s = %s/%s", name, scratch_dir, file + 1);
	return dst;
}

static struct conf *load(const char *certificate, const char *key_file)
{
	struct conf *c = NULL;
	struct conf_errors e;

	if (conf_load(configuration(line("tls_certificate", certificate), line("tls_key", key_file)), &c, &e) < 0)
		fail_msg("%s", e.line[0]);
	return c;
}

static void good_pair(void **state)
{
	const uint64_t now = (uint64_t)time(NULL);
	char text[300];

	(void)state;
	struct conf *c = load("=chain", "=key");
	assert_non_null(c->listen.tls);
	assert_in_range(tls_context_expires(c->listen.tls), now + HOUR - 100, now + HOUR + 100);
	assert_false(conf_tls_warning(c, now, text, sizeof(text)));
	assert_true(conf_tls_warning(c, now + 2 * HOUR, text, sizeof(text)));
	assert_non_null(strstr(text, "has expired"));
	assert_non_null(strstr(text, "/chain"));
	assert_true(conf_tls_warning(c, now - 2 * HOUR, text, sizeof(text)));
	assert_non_null(strstr(text, "not valid yet"));
	conf_free(c);
}

static void no_pair_no_tls(void **state)
{
	struct conf *c = NULL;
	struct conf_errors e;
	char text[300];

	(void)state;
	assert_int_equal(conf_load(configuration("", ""), &c, &e), 0);
	assert_null(c->listen.tls);
	assert_false(conf_tls_warning(c, 0, text, sizeof(text)));
	conf_free(c);
}

static void from_credentials(void **state)
{
	(void)state;
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", scratch_dir, 1), 0);
	struct conf *c = load("credential:chain", "credential:key");
	assert_non_null(c->listen.tls);
	conf_free(c);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

/* One mistake, at that line (6 = certificate, 7 = key), which has all of these words. */
static void refuse(const char *certificate_line, const char *key_line, int at, const char *words, const char *more)
{
	struct conf *c = NULL;
	struct conf_errors e;
	char where[160];

	const char *path = configuration(certificate_line, key_line);
	(void)snprintf(where, sizeof(where), "%s:%d: ", path, at);
	assert_int_equal(conf_load(path, &c, &e), -EINVAL);
	if (e.count != 1 || strncmp(e.line[0], where, strlen(where)) != 0 || !strstr(e.line[0], words) || !strstr(e.line[0], more))
		fail_msg("expected '%s%s ... %s', got %u: '%s'", where, words, more, e.count, e.line[0]);
	assert_null(strstr(e.line[0], "PRIVATE KEY"));
	conf_errors_free(&e);
}

static void encrypted(const char *name)
{
	BIO *in = BIO_new_mem_buf(key, -1), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *k = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	char text[PEM] = "", pass[] = "secret";

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, k, EVP_aes_128_cbc(), pass, (int)strlen(pass), NULL, NULL), 1);
	assert_true(BIO_read(out, text, sizeof(text) - 1) > 0);
	(void)scratch(name, text);
	EVP_PKEY_free(k);
	BIO_free(in);
	BIO_free(out);
}

static void wrong_files(void **state)
{
	(void)state;
	(void)scratch("junk", "this is no PEM\n");
	(void)scratch("empty", "\n");
	(void)scratch("other", other_key);
	encrypted("locked");
	refuse(line("tls_certificate", "=chain"), "", 6, "tls_certificate: needs tls_key", "");
	refuse("", line("tls_key", "=key"), 7, "tls_key: needs tls_certificate", "");
	refuse(line("tls_certificate", "/nonexistent/chain"), line("tls_key", "=key"), 6, "tls_certificate: /nonexistent/chain",
	       "No such file");
	refuse(line("tls_certificate", "=chain"), line("tls_key", "/nonexistent/key"), 7, "tls_key: /nonexistent/key", "No such file");
	refuse(line("tls_certificate", "=junk"), line("tls_key", "=key"), 6, "/junk: the certificate: ", "");
	refuse(line("tls_certificate", "=key"), line("tls_key", "=key"), 6, "/key: the certificate: ", "");
	refuse(line("tls_certificate", "=empty"), line("tls_key", "=key"), 6, "/empty: empty", "");
	refuse(line("tls_certificate", "=chain"), line("tls_key", "=junk"), 7, "tls_key: ", "/junk: the key of the certificate: ");
	refuse(line("tls_certificate", "=chain"), line("tls_key", "=other"), 7, "/other: the key of the certificate: ", "mismatch");
	refuse(line("tls_certificate", "=chain"), line("tls_key", "=locked"), 7, "/locked: the key of the certificate: ", "encrypted");
	refuse(line("tls_certificate", "=chain"), line("tls_key", "=."), 7, "tls_key: ", "not a file");
	refuse(line("tls_certificate", "credential:chain"), line("tls_key", "=key"), 6, "tls_certificate: credential:chain",
	       "CREDENTIALS_DIRECTORY");
}

struct seen {
	struct conf_diff diff;
	char what[200];
};

static void on_change(struct conf_diff *d, const char *what, bool needs_restart)
{
	struct seen *s = container_of(d, struct seen, diff);

	assert_false(needs_restart);
	assert_true(strlen(s->what) + strlen(what) < sizeof(s->what));
	strcat(s->what, what);
}

static void a_renewed_one_is_a_change(void **state)
{
	struct seen s = { .diff.visit = on_change };
	char hash[65];
	struct err e;

	(void)state;
	struct conf *a = load("=chain", "=key"), *same = load("=chain", "=key");
	conf_compare(a, same, &s.diff);
	assert_string_equal(s.what, "");
	assert_string_equal(a->files_hash, same->files_hash);
	(void)scratch("chain", other_chain);
	(void)scratch("key", other_key);
	assert_int_equal(conf_files_hash(a, hash, &e), 0);
	assert_string_not_equal(hash, a->files_hash);
	struct conf *b = load("=chain", "=key");
	assert_string_equal(hash, b->files_hash);
	conf_compare(a, b, &s.diff);
	assert_string_equal(s.what, "[listen] tls_certificate");
	conf_free(a);
	conf_free(same);
	conf_free(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(good_pair), T(no_pair_no_tls), T(from_credentials), T(wrong_files), T(a_renewed_one_is_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
