/* Service bindings: files and JSON, as clusters mount them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_binding.h"
#include "scratch.h"

/* Of a proxy whose `credentials` are `from`; certificate: it has tls_client_certificate, too. */
static int read_binding(const char *from, const char *resource, bool certificate, struct conf_binding *ret, struct err *e)
{
	char credentials[PATH_MAX], token_resource[100], chain[] = "CHAIN", key[] = "KEY";
	const struct conf_proxy p = { .credentials = credentials, .token_resource = token_resource,
	                              .client_chain = certificate ? chain : NULL, .client_key = certificate ? key : NULL };

	(void)snprintf(credentials, sizeof(credentials), "%s", from);
	(void)snprintf(token_resource, sizeof(token_resource), "%s", resource);
	return conf_binding_read(&p, ret, e);
}

static void expect(const char *from, const char *resource, const char *host, const char *path)
{
	struct conf_binding b;
	struct err e = { .text = "" };

	if (read_binding(from, resource, false, &b, &e) < 0)
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
	(void)scratch("clientid", "sb-1!b2\n");
	(void)scratch("clientsecret", "s3cret=\n");
	(void)scratch("token_service_url", "https://acme.authentication.eu10.example/oauth/token");
	(void)scratch("onpremise_proxy_port", "20003");
	expect(scratch_dir, "", "acme.authentication.eu10.example", "/oauth/token");
	assert_int_equal(read_binding(scratch_dir, "", false, &b, &e), 0);
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
		expect(scratch("binding.json", text), rows[i].resource, "uaa.example", rows[i].path);
	}
	expect(scratch_dir, "", "uaa.example", "/oauth/token"); /* the directory with that file alone */
}

static void test_nested_json_and_x509(void **state)
{
	struct conf_binding b;
	struct err e;

	(void)state;
	expect(scratch("a", "{\"name\":\"cp\",\"credentials\":{\"clientid\":\"sb-1!b2\",\"clientsecret\":\"x\",\"url\":"
	                 "\"https://uaa.example\"}}"), "", "uaa.example", "/oauth/token");
	const char *path = scratch("b", "{\"clientid\":\"sb-1!b2\",\"certificate\":\"C\",\"key\":\"K\",\"url\":\"https://uaa.example\","
	                             "\"certurl\":\"https://cert.uaa.example:8443\"}");
	assert_int_equal(read_binding(path, "", false, &b, &e), 0);
	assert_string_equal(b.at.host, "cert.uaa.example");
	assert_int_equal(b.at.port, 8443);
	assert_string_equal(b.certificate, "C");
	assert_string_equal(b.key, "K");
	assert_null(b.client_secret);
	conf_binding_free(&b);
}

#define AT ",\"url\":\"https://uaa.example\",\"certurl\":\"https://cert.uaa.example\"}"

/* The certificate is in files of its own. */
static void test_a_certificate_beside_the_binding(void **state)
{
	struct conf_binding b;
	struct err e;

	(void)state;
	/* As if it were in the binding; what of one there is without its key means nothing. */
	const char *path = scratch("a", "{\"clientid\":\"sb-1!b2\",\"certificate\":\"public\"" AT);
	assert_int_equal(read_binding(path, "", true, &b, &e), 0);
	assert_string_equal(b.at.host, "cert.uaa.example");
	assert_string_equal(b.certificate, "CHAIN");
	assert_string_equal(b.key, "KEY");
	assert_null(b.client_secret);
	conf_binding_free(&b);
	assert_int_equal(read_binding(path, "", false, &b, &e), -EINVAL);
	/* Beside a secret it is for the TLS alone. */
	path = scratch("b", "{\"clientid\":\"sb-1!b2\",\"clientsecret\":\"x\"" AT);
	assert_int_equal(read_binding(path, "", true, &b, &e), 0);
	assert_string_equal(b.at.host, "uaa.example");
	assert_string_equal(b.certificate, "CHAIN");
	assert_string_equal(b.client_secret, "x");
	conf_binding_free(&b);
	path = scratch("c", "{\"clientid\":\"sb-1!b2\",\"certificate\":\"C\",\"key\":\"K\"" AT);
	assert_int_equal(read_binding(path, "", true, &b, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/c: the service binding has a certificate and a key of its own"));
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
		const char *path = scratch("binding.json", rows[i].text);
		assert_true(read_binding(path, "", false, &b, &e) < 0);
		if (!strstr(e.text, rows[i].why))
			fail_msg("row %zu: '%s' instead of '%s'", i, e.text, rows[i].why);
		assert_non_null(strstr(e.text, scratch_dir));
		assert_null(strstr(e.text, "s3cret"));
	}
	assert_int_equal(read_binding("/nonexistent", "", false, &b, &e), -ENOENT);
	assert_int_equal(read_binding("credential:x", "", false, &b, &e), -ENOENT);
}

static void test_empty_directory(void **state)
{
	struct conf_binding b;
	struct err e;

	(void)state;
	assert_int_equal(read_binding(scratch_dir, "", false, &b, &e), -EINVAL);
	assert_non_null(strstr(e.text, "no clientid"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_directory_of_keys), T(test_both_shapes_of_the_url_and_ias), T(test_nested_json_and_x509),
		T(test_a_certificate_beside_the_binding), T(test_what_is_none), T(test_empty_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
