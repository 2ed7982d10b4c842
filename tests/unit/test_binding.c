/* Service bindings: files and JSON, as clusters mount them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_binding.h"

static char dir[] = "/tmp/regrelay-test-binding-XXXXXX";

static int setup(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *file(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static void expect(const char *from, const char *resource, const char *host, const char *path)
{
	struct conf_binding b;
	struct err e = { .text = "" };

	if (conf_binding_read(from, resource, &b, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(b.at.host, host);
	assert_string_equal(b.path, path);
	assert_string_equal(b.client_id, "sb-1!b2");
	conf_binding_free(&b);
}

static void test_directory_of_keys(void **state)
{
	struct conf_binding b;
	struct err e;

	(void)state;
	(void)file("clientid", "sb-1!b2\n");
	(void)file("clientsecret", "s3cret=\n");
	(void)file("token_service_url", "https://acme.authentication.eu10.example/oauth/token");
	(void)file("onpremise_proxy_port", "20003");
	expect(dir, "", "acme.authentication.eu10.example", "/oauth/token");
	assert_int_equal(conf_binding_read(dir, "", &b, &e), 0);
	assert_int_equal(b.at.port, 443);
	assert_string_equal(b.client_secret, "s3cret=");
	assert_null(b.certificate);
	conf_binding_free(&b);
}

static void test_both_shapes_of_the_url_and_ias(void **state)
{
	static const char both[] = "{\"clientid\":\"sb-1!b2\",\"clientsecret\":\"x\",\"%s\":\"%s\"}";
	char text[512];
	static const struct {
		const char *key, *url, *resource, *path;
	} rows[] = {
		{ "token_service_url", "https://uaa.example", "", "/oauth/token" },
		{ "token_service_url", "https://uaa.example/", "", "/oauth/token" },
		{ "token_service_url", "https://uaa.example/oauth/token", "", "/oauth/token" },
		{ "token_service_url", "https://uaa.example/x/token?a=b", "", "/x/token?a=b" },
		{ "url", "https://uaa.example", "", "/oauth/token" },
		{ "url", "https://uaa.example", "urn:sap:identity:application:service:id:1", "/oauth2/token" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(text, sizeof(text), both, rows[i].key, rows[i].url);
		expect(file("binding.json", text), rows[i].resource, "uaa.example", rows[i].path);
	}
	expect(dir, "", "uaa.example", "/oauth/token"); /* the directory with that file alone */
}

static void test_nested_json_and_x509(void **state)
{
	struct conf_binding b;
	struct err e;

	(void)state;
	expect(file("a", "{\"name\":\"cp\",\"credentials\":{\"clientid\":\"sb-1!b2\",\"clientsecret\":\"x\",\"url\":"
	                 "\"https://uaa.example\"}}"), "", "uaa.example", "/oauth/token");
	const char *path = file("b", "{\"clientid\":\"sb-1!b2\",\"certificate\":\"C\",\"key\":\"K\",\"url\":\"https://uaa.example\","
	                             "\"certurl\":\"https://cert.uaa.example:8443\"}");
	assert_int_equal(conf_binding_read(path, "", &b, &e), 0);
	assert_string_equal(b.at.host, "cert.uaa.example");
	assert_int_equal(b.at.port, 8443);
	assert_string_equal(b.certificate, "C");
	assert_string_equal(b.key, "K");
	assert_null(b.client_secret);
	conf_binding_free(&b);
}

static void test_what_is_none(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "empty" },
		{ "not json", "not JSON" },
		{ "[]", "not a JSON object" },
		{ "{\"clientid\":1}", "clientid is no text" },
		{ "{\"clientid\":\"a\",\"clientid\":\"b\"}", "not JSON" },
		{ "{\"clientsecret\":\"s3cret\",\"url\":\"https://uaa.example\"}", "no clientid" },
		{ "{\"clientid\":\"a\",\"url\":\"https://uaa.example\"}", "no clientsecret" },
		{ "{\"clientid\":\"a\",\"certificate\":\"C\",\"url\":\"https://uaa.example\"}", "no clientsecret" },
		{ "{\"clientid\":\"a\",\"clientsecret\":\"s3cret\"}", "no token_service_url" },
		{ "{\"clientid\":\"a\",\"clientsecret\":\"s3cret\",\"url\":\"http://uaa.example\"}", "not https" },
		{ "{\"clientid\":\"a\",\"clientsecret\":\"s3cret\",\"url\":\"https://a@b\"}", "URL of the token service" },
		{ "{\"clientid\":\"a\\u0001\",\"clientsecret\":\"s3cret\",\"url\":\"https://uaa.example\"}", "control character" },
	};
	struct conf_binding b;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *path = file("binding.json", rows[i].text);
		assert_true(conf_binding_read(path, "", &b, &e) < 0);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: '%s' instead of '%s'", i, e.text, rows[i].why);
		assert_non_null(strstr(e.text, dir));
		assert_null(strstr(e.text, "s3cret"));
	}
	assert_int_equal(conf_binding_read("/nonexistent", "", &b, &e), -ENOENT);
	assert_int_equal(conf_binding_read("credential:x", "", &b, &e), -ENOENT);
}

static void test_empty_directory(void **state)
{
	struct conf_binding b;
	struct err e;

	(void)state;
	assert_int_equal(conf_binding_read(dir, "", &b, &e), -EINVAL);
	assert_non_null(strstr(e.text, "no clientid"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_directory_of_keys), T(test_both_shapes_of_the_url_and_ias), T(test_nested_json_and_x509),
		T(test_what_is_none), T(test_empty_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
