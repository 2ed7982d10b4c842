/* Certificates of our own: the listeners', and those for registries and token services; good files, wrong ones, and what is told
 * of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "conf.h"
#include "conf_seen.h"
#include "scratch.h"
#include "tls_server.h"

#define PEM   8192
#define HOUR  3600l
#define BINDING "{\"clientid\":\"sb-1!b2\",\"url\":\"https://uaa.example\""

/* Where a pair is named: the lines before it, five, and the lines behind it. */
static const struct place {
	const char *before, *certificate, *key;
	bool has_ca, has_binding;
} listen_place = { "[proxy]\naddress = cp:20003\n[registry]\nhost = reg:5000\n[listen]\n", "tls_certificate", "tls_key", false, false },
  registry_place = { "[log]\n[registry]\nhost = reg:5000\nproxy = none\nscheme = https\n", "tls_client_certificate", "tls_client_key",
                     true, false },
  proxy_place = { "[registry]\nhost = reg:5000\n[proxy]\naddress = cp:20003\nauth = bearer\n", "tls_client_certificate",
                  "tls_client_key", true, true };
static const struct place *place;

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
	(void)scratch("binding", BINDING "}");
	place = &listen_place;
	return 0;
}

static int teardown(void **state)
{
	tls_server_free(ca);
	return scratch_teardown(state);
}

/* Both as they are written; "" = no such line.  "=NAME" is a file of ours. */
static const char *configuration(const char *certificate, const char *key_file)
{
	const struct { const char *name, *value; } line[] = {
		{ place->certificate, certificate }, { place->key, key_file }, { place->has_ca ? "ca_file" : "", tls_server_ca() },
		{ place->has_binding ? "credentials" : "", "=binding" },
	};
	char text[2048];
	int n = snprintf(text, sizeof(text), "%s", place->before);

	for (size_t i = 0; i < ARRAY_LEN(line); i++) {
		const char *value = line[i].value;
		const bool ours = value[0] == '=';
		if (value[0] && line[i].name[0])
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%s = %s%s%s", line[i].name, ours ? scratch_dir : "", ours ? "/" : "",
			              value + ours);
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\n");
	}
	return scratch("r.ini", text);
}

static struct conf *load(const char *certificate, const char *key_file)
{
	struct conf *c = NULL;
	struct conf_errors e;

	if (conf_load(configuration(certificate, key_file), &c, &e) < 0)
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

/* One mistake, at that line (6 = certificate, 7 = key), which begins with that key's name and has all of these words. */
static void refuse(const char *certificate, const char *key_file, int at, const char *words, const char *more)
{
	struct conf *c = NULL;
	struct conf_errors e;
	char where[200];

	const char *path = configuration(certificate, key_file);
	(void)snprintf(where, sizeof(where), "%s:%d: %s: ", path, at, at == 6 ? place->certificate : place->key);
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

static void wrong_files(const struct place *where)
{
	char cut[2 * PEM];

	place = where;
	(void)scratch("junk", "this is no PEM\n");
	(void)scratch("empty", "\n");
	(void)scratch("other", other_key);
	encrypted("locked");
	(void)snprintf(cut, sizeof(cut), "%s%.200s\n", chain, other_chain);
	(void)scratch("cut", cut);
	(void)snprintf(cut, sizeof(cut), "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", chain);
	(void)scratch("broken", cut);
	refuse("=chain", "", 6, "needs ", place->key);
	refuse("", "=key", 7, "needs ", place->certificate);
	refuse("/nonexistent/chain", "=key", 6, "/nonexistent/chain", "No such file");
	refuse("=chain", "/nonexistent/key", 7, "/nonexistent/key", "No such file");
	refuse("=junk", "=key", 6, "/junk: the certificate: ", "");
	refuse("=key", "=key", 6, "/key: the certificate: ", "");
	refuse("=cut", "=key", 6, "/cut: the certificate: ", ""); /* the leaf is whole, not what leads to its CA */
	refuse("=broken", "=key", 6, "/broken: the certificate: ", "");
	refuse("=empty", "=key", 6, "/empty: empty", "");
	refuse("=chain", "=junk", 7, "/junk: the key of the certificate: ", "");
	refuse("=chain", "=other", 7, "/other: the key of the certificate: ", "mismatch");
	refuse("=chain", "=locked", 7, "/locked: the key of the certificate: ", "encrypted");
	refuse("=chain", "=.", 7, "", "not a file");
	refuse("credential:chain", "=key", 6, "credential:chain", "CREDENTIALS_DIRECTORY");
}

static void wrong_files_of_listeners(void **state)
{
	(void)state;
	wrong_files(&listen_place);
}

static void wrong_files_for_registries(void **state)
{
	(void)state;
	wrong_files(&registry_place);
}

static void wrong_files_for_token_services(void **state)
{
	(void)state;
	wrong_files(&proxy_place);
}

/* The first mistake of a [proxy] with the pair. */
static void refuse_pair(const char *words)
{
	struct conf *c = NULL;
	struct conf_errors e;

	assert_int_equal(conf_load(configuration("=chain", "=key"), &c, &e), -EINVAL);
	if (!strstr(e.line[0], words))
		fail_msg("expected '%s', got '%s'", words, e.line[0]);
	conf_errors_free(&e);
}

static void for_a_token_service(void **state)
{
	const struct place alone = { "[log]\n[registry]\nhost = reg:5000\n[proxy]\naddress = cp:20003\n", proxy_place.certificate,
	                             proxy_place.key, false, false };

	(void)state;
	place = &proxy_place;
	struct conf *c = load("=chain", "=key");
	assert_non_null(strstr(c->proxy[0]->client_chain, "CERTIFICATE"));
	assert_non_null(strstr(c->proxy[0]->client_key, "PRIVATE KEY"));
	conf_free(c);
	(void)scratch("binding", BINDING ",\"clientsecret\":\"x\"}");
	c = load("=chain", "=key");
	assert_non_null(c->proxy[0]->client_chain);
	conf_free(c);
	(void)scratch("binding", BINDING ",\"certificate\":\"C\",\"key\":\"K\"}");
	refuse_pair("r.ini:9: credentials: ");
	refuse_pair("/binding: the service binding has a certificate and a key of its own");
	place = &alone;
	refuse_pair("r.ini:6: tls_client_certificate: has no effect without credentials");
}

static void renew(const struct place *where, const char *change)
{
	struct seen s = { .diff.visit = on_change };
	char hash[65];
	struct err e;

	place = where;
	(void)scratch("chain", chain);
	(void)scratch("key", key);
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
	assert_string_equal(s.what, change);
	conf_free(a);
	conf_free(same);
	conf_free(b);
}

static void a_renewed_one_is_a_change(void **state)
{
	(void)state;
	renew(&listen_place, "[listen] tls_certificate");
	renew(&registry_place, "[registry] tls_client_certificate");
	renew(&proxy_place, "[proxy] tls_client_certificate");
}

/* The same certificate, and another one behind it. */
static void a_longer_chain_is_a_change(void **state)
{
	const struct place *const all[] = { &listen_place, &registry_place, &proxy_place };
	const char *const what[] = { "[listen] tls_certificate", "[registry] tls_client_certificate",
		                     "[proxy] tls_client_certificate" };
	char longer[2 * PEM];

	(void)state;
	(void)snprintf(longer, sizeof(longer), "%s%s", chain, other_chain);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct seen s = { .diff.visit = on_change };
		place = all[i];
		(void)scratch("chain", chain);
		struct conf *a = load("=chain", "=key");
		(void)scratch("chain", longer);
		struct conf *b = load("=chain", "=key");
		conf_compare(a, b, &s.diff);
		assert_string_equal(s.what, what[i]);
		conf_free(a);
		conf_free(b);
	}
}

static void another_ca_is_a_change(void **state)
{
	static const struct place places[] = {
		{ "[log]\n[registry]\nhost = reg:5000\nproxy = none\nscheme = https\n", "ca_file", "", false, false },
		{ "[registry]\nhost = reg:5000\n[proxy]\naddress = cp:20003\nauth = bearer\n", "ca_file", "", false, true },
	};
	const char *const what[] = { "[registry] ca_file", "[proxy] ca_file" };

	(void)state;
	(void)scratch("binding", BINDING ",\"clientsecret\":\"s\"}");
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct seen s = { .diff.visit = on_change };
		place = &places[i];
		(void)scratch("ca", chain);
		struct conf *a = load("=ca", ""), *same = load("=ca", "");
		conf_compare(a, same, &s.diff);
		assert_string_equal(s.what, "");
		(void)scratch("ca", other_chain);
		struct conf *b = load("=ca", "");
		conf_compare(a, b, &s.diff);
		assert_string_equal(s.what, what[i]);
		conf_free(a);
		conf_free(same);
		conf_free(b);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(good_pair), T(no_pair_no_tls), T(from_credentials), T(wrong_files_of_listeners), T(wrong_files_for_registries),
		T(wrong_files_for_token_services), T(for_a_token_service), T(a_renewed_one_is_a_change), T(a_longer_chain_is_a_change), T(another_ca_is_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
