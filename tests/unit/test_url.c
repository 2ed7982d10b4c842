/* Hosts, ports and URLs: what is accepted, what is refused, what comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "url.h"

static void hosts_that_are_good(void **state)
{
	static const struct { const char *text, *authority; uint16_t port; bool literal, v6; } good[] = {
		{ "myregistry.kyma:25002", "myregistry.kyma:25002", 25002, false, false },
		{ "MyRegistry.Kyma", "myregistry.kyma", 0, false, false },
		{ "localhost:1", "localhost:1", 1, false, false },
		{ "a_b.c:65535", "a_b.c:65535", 65535, false, false },
		{ "127.0.0.1:80", "127.0.0.1:80", 80, true, false },
		{ "[::1]:8080", "[::1]:8080", 8080, true, true },
		{ "[2001:DB8::1]", "[2001:db8::1]", 0, true, true },
		{ "1and1.com", "1and1.com", 0, false, false },
		{ "xn--bcher-kva.example", "xn--bcher-kva.example", 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct url_hostport hp;
		struct err why;
		char text[URL_AUTHORITY_MAX];
		assert_int_equal(url_hostport_parse(sv_str(good[i].text), &hp, &why), 0);
		url_authority(&hp, text);
		assert_string_equal(text, good[i].authority);
		assert_int_equal(hp.port, good[i].port);
		assert_int_equal(hp.literal, good[i].literal);
		assert_int_equal(hp.v6, good[i].v6);
		assert_true(url_host_field_ok(sv_str(good[i].text)));
	}
}

/* What is wrong goes into the log. */
static void passwords_are_not_quoted(void **state)
{
	static const char *const urls[] = { "https://id:s3cret@host/token", "https://s3cret@host", "http://u:s3cret@[::1]:x/", "https://[s3cret@" };
	struct url u;
	struct err why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		assert_int_equal(url_parse(sv_str(urls[i]), &u, &why), -EINVAL);
		assert_null(strstr(why.text, "s3cret"));
	}
}

static void hosts_that_are_not(void **state)
{
	static const char *const bad[] = {
		"", ":80", "a:", "a:0", "a:01", "a:65536", "a:-1", "a:+1", "a: 1", "a:1 ", "a:1x", "a b", "a..b", ".a", "a.", "a.:80",
		"-a.b", "a-.b", "user@host", "u:p@host:80", "a/b", "a?b", "a#b", "a,b", "a%41", "127.1", "0x7f.1", "0x7f000001",
		"2130706433", "127.0.0.1.", "256.0.0.1", "1.2.3", "[::1", "::1", "[::1]80", "[::1]x:80", "[]", "[fe80::1%eth0]",
		"[127.0.0.1]", "h\xc3\xb6st", "a\tb", "a\nb", "*", "*:80",
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct url_hostport hp = { .port = 4711 };
		struct err why = { .code = 0 };
		int r = url_hostport_parse(sv_str(bad[i]), &hp, &why);
		if (r != -EINVAL)
			print_error("accepted '%s'\n", bad[i]);
		assert_int_equal(r, -EINVAL);
		assert_int_equal(hp.port, 4711); /* written on success only */
		assert_true(why.text[0] != '\0');
		assert_false(url_host_field_ok(sv_str(bad[i])));
	}
	for (size_t n = 0; n < sizeof(longest); n++)
		longest[n] = n % 50 == 49 ? '.' : 'a';
	assert_true(url_host_field_ok(sv_make(longest, URL_HOST_MAX)));
	assert_false(url_host_field_ok(sv_make(longest, URL_HOST_MAX + 1)));
	memset(longest, 'a', 64);
	assert_true(url_host_field_ok(sv_make(longest, 63)));
	assert_false(url_host_field_ok(sv_make(longest, 64)));
}

static void same_host_and_port(void **state)
{
	struct url_hostport a, b;
	struct err why;

	(void)state;
	assert_int_equal(url_hostport_parse(SV("Host.A:80"), &a, &why), 0);
	assert_int_equal(url_hostport_parse(SV("host.a:80"), &b, &why), 0);
	assert_true(url_hostport_eq(&a, &b));
	b.port = 81;
	assert_false(url_hostport_eq(&a, &b));
}

static void urls(void **state)
{
	static const struct { const char *text, *host, *path; uint16_t port; bool https; } good[] = {
		{ "http://a", "a", "", 80, false },
		{ "HTTPS://Auth.Corp/token?x=1&y=%20", "auth.corp", "/token?x=1&y=%20", 443, true },
		{ "https://[::1]:5000/v2/", "::1", "/v2/", 5000, true },
	};
	static const char *const bad[] = {
		"", "http:/a", "ftp://a", "//a", "/a", "http://", "http://a b", "http://u@a/", "http://a/#f", "http://a\r\n/",
		"http://a/\xc3", "https://a:0/", "http://a?x", "http://a\\b/", "javascript:x", "http://a:80:90/", "http://a/\x7f",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct url u;
		struct err why;
		assert_int_equal(url_parse(sv_str(good[i].text), &u, &why), 0);
		assert_string_equal(u.at.host, good[i].host);
		assert_true(sv_eq(u.path, sv_str(good[i].path)));
		assert_int_equal(u.at.port, good[i].port);
		assert_int_equal(u.https, good[i].https);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct url u;
		struct err why;
		assert_int_equal(url_parse(sv_str(bad[i]), &u, &why), -EINVAL);
	}
}

static void queries(void **state)
{
	static const char *const good[] = { "", "n=10&last=t1", "artifactType=application%2Fvnd.x", "a=b/c?d:@!$'()*+,;" };
	static const char *const bad[] = { "a b", "%", "%1", "%zz", "a#b", "a\"b", "<", "\x7f", "\xc3\xa4", "a\\b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(url_is_query(sv_str(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(url_is_query(sv_str(bad[i])));
	assert_false(url_is_query(sv_make("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_that_are_good),
		cmocka_unit_test(hosts_that_are_not),
		cmocka_unit_test(passwords_are_not_quoted),
		cmocka_unit_test(same_host_and_port),
		cmocka_unit_test(urls),
		cmocka_unit_test(queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
