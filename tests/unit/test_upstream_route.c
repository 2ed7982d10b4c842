/* Which registry a target goes to, and the path that is written for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "route.h"

#define HEX16  "0123456789abcdef"
#define DIGEST "sha256:" HEX16 HEX16 HEX16 HEX16

static char none[] = "", mirror[] = "mirror/two", longer[] = "mirror/two/deep", local[] = "three.local";
static char four_io[] = "four.io", five_io[] = "five.io:5000", everything[] = "public/**", secret[] = "public/secret/*";
static char n1[] = "one", n2[] = "two", n3[] = "three", n4[] = "four", n5[] = "five", n6[] = "deep";
static char *allowed[] = { everything }, *denied[] = { secret };

static struct conf_registry one = { .name = n1, .prefix = none, .ns = none, .match_host = none },
			    two = { .name = n2, .prefix = mirror, .ns = none, .match_host = none },
			    three = { .name = n3, .prefix = none, .ns = none, .match_host = local },
			    four = { .name = n4, .prefix = none, .ns = four_io, .match_host = none,
				     .allow = { .items = allowed, .count = 1 }, .deny = { .items = denied, .count = 1 } },
			    five = { .name = n5, .prefix = none, .ns = five_io, .match_host = none },
			    deep = { .name = n6, .prefix = longer, .ns = none, .match_host = none };
static struct conf conf = { .registry = { &one, &two, &three, &four, &five, &deep }, .registries = 6,
			    .default_registry = &one };

static const char *find(const struct conf *c, const char *target, const char *host, struct route *r)
{
	static char path[9000];

	if (!route_find(c, sv_str(target), sv_str(host), r))
		return NULL;
	size_t n = route_path(r, path);
	assert_true(n < ROUTE_PATH_MAX(strlen(target)));
	path[n] = '\0';
	return path;
}

static void expect(const char *target, const char *host, const char *registry, const char *path)
{
	struct route r;
	const char *got = find(&conf, target, host, &r);

	if (!got)
		fail_msg("%s: %s %s", target, error_row(r.error)->name, r.detail);
	assert_string_equal(r.registry->name, registry);
	assert_string_equal(got, path);
}

static void expect_error(const char *target, const char *host, enum error_id id)
{
	struct route r;

	if (find(&conf, target, host, &r))
		fail_msg("%s should not pass", target);
	if (r.error != id)
		fail_msg("%s: %s, not %s", target, error_row(r.error)->name, error_row(id)->name);
}

static void paths_that_pass_unchanged(void **state)
{
	static const struct {
		const char *path;
		enum stats_route kind;
	} row[] = {
		{ "/v2/", ROUTE_PING },
		{ "/v2/a/manifests/latest", ROUTE_MANIFEST },
		{ "/v2/a/b/c/manifests/v1.2_3-x", ROUTE_MANIFEST },
		{ "/v2/a/manifests/" DIGEST, ROUTE_MANIFEST },
		{ "/v2/blobs/manifests/blobs/" DIGEST, ROUTE_BLOB },
		{ "/v2/tags/list/tags/list", ROUTE_TAGS },
		{ "/v2/team/app/tags/list", ROUTE_TAGS },
		{ "/v2/team/app/tags/list?n=10&last=t1", ROUTE_TAGS },
		{ "/v2/team/app/referrers/" DIGEST, ROUTE_REFERRERS },
		{ "/v2/team/app/referrers/" DIGEST "?artifactType=application%2Fvnd.x", ROUTE_REFERRERS },
	};
	struct route r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const char *got = find(&conf, row[i].path, "localhost:8080", &r);
		assert_non_null(got);
		assert_string_equal(got, row[i].path);
		assert_int_equal(r.kind, row[i].kind);
		assert_ptr_equal(r.registry, &one);
	}
}

static void paths_that_are_written_anew(void **state)
{
	(void)state;
	expect("/v2", "h", "one", "/v2/");
	expect("/v2/?x=1", "h", "one", "/v2/");
	expect("/v2/a/manifests/t?x=1", "h", "one", "/v2/a/manifests/t");
	expect("/v2/a/tags/list?ns=other.io&n=1", "h", "one", "/v2/a/tags/list?n=1");
	expect("/v2/a/tags/list?n=1&ns=other.io&&last=b", "h", "one", "/v2/a/tags/list?n=1&last=b");
	expect("/v2/a/tags/list?ns=other.io", "h", "one", "/v2/a/tags/list");
	expect("/v2/a/tags/list?nsx=1", "h", "one", "/v2/a/tags/list?nsx=1");
}

static void paths_that_do_not_pass(void **state)
{
	char longname[300] = "/v2/";

	(void)state;
	expect_error("/", "h", ERROR_NOT_FOUND);
	expect_error("/index.html", "h", ERROR_NOT_FOUND);
	expect_error("/v1/", "h", ERROR_NOT_FOUND);
	expect_error("/v2x/", "h", ERROR_NOT_FOUND);
	expect_error("//v2/", "h", ERROR_NOT_FOUND);
	expect_error("/V2/", "h", ERROR_NOT_FOUND);
	expect_error("/v2/Team/app/manifests/t1", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team//app/manifests/t1", "h", ERROR_NAME_INVALID);
	expect_error("/v2//manifests/t1", "h", ERROR_NAME_INVALID);
	expect_error("/v2/manifests/t1", "h", ERROR_NAME_INVALID);
	expect_error("/v2/../etc/manifests/t1", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/./app/manifests/t", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/app/manifests/%74", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team%2fapp/manifests/t", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/app/manifests/t/", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/app/manifests/", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/app/uploads/x", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/app/tags/all", "h", ERROR_NAME_INVALID);
	expect_error("/v2/_catalog", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/app/blobs/latest", "h", ERROR_DIGEST_INVALID);
	expect_error("/v2/team/app/blobs/sha256:short", "h", ERROR_DIGEST_INVALID);
	expect_error("/v2/team/app/manifests/sha256:short", "h", ERROR_DIGEST_INVALID);
	expect_error("/v2/team/app/tags/list?a b", "h", ERROR_NAME_INVALID);
	expect_error("/v2/team/app/tags/list?%zz", "h", ERROR_NAME_INVALID);
	expect_error("*", "h", ERROR_REQUEST_MALFORMED);
	memset(longname + 4, 'a', 256);
	(void)snprintf(longname + 260, sizeof(longname) - 260, "/manifests/t");
	expect_error(longname, "h", ERROR_NAME_INVALID);
}

static void registry_by_prefix_host_and_ns(void **state)
{
	(void)state;
	expect("/v2/team/app/manifests/t1", "h", "one", "/v2/team/app/manifests/t1");
	expect("/v2/mirror/two/team/app/manifests/t1", "h", "two", "/v2/team/app/manifests/t1");
	expect("/v2/mirror/two/deep/app/manifests/t1", "h", "deep", "/v2/app/manifests/t1");
	expect("/v2/mirror/twoteam/app/manifests/t1", "h", "one", "/v2/mirror/twoteam/app/manifests/t1");
	expect("/v2/mirror/two/manifests/t1", "h", "one", "/v2/mirror/two/manifests/t1");
	expect("/v2/team/app/manifests/t1", "three.local", "three", "/v2/team/app/manifests/t1");
	expect("/v2/team/app/manifests/t1", "Three.Local:80", "three", "/v2/team/app/manifests/t1");
	expect("/v2/team/app/manifests/t1", "[::1]:80", "one", "/v2/team/app/manifests/t1");
	expect("/v2/", "three.local:80", "three", "/v2/");
	expect("/v2/?ns=four.io", "h", "four", "/v2/");
	expect("/v2/public/app/manifests/t1?ns=four.io", "three.local", "four", "/v2/public/app/manifests/t1");
	expect("/v2/app/manifests/t1?ns=five.io%3A5000", "h", "five", "/v2/app/manifests/t1");
	expect("/v2/app/manifests/t1?ns=FIVE.io:5000", "h", "five", "/v2/app/manifests/t1");
	/* Unknown: only a registry without a namespace of its own may answer. */
	expect("/v2/app/manifests/t1?ns=other.io", "h", "one", "/v2/app/manifests/t1");
	conf.default_registry = &four;
	expect_error("/v2/public/app/manifests/t1?ns=other.io", "h", ERROR_NS_UNKNOWN);
	expect("/v2/public/app/manifests/t1", "h", "four", "/v2/public/app/manifests/t1");
	conf.default_registry = &one;
}

static void ns_is_one_checked_host(void **state)
{
	static const char *const bad[] = { "", "a%20b", "a%00b", "a/b", "%0d%0a", "a:b", "user@host" };
	struct route r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char target[100];
		(void)snprintf(target, sizeof(target), "/v2/a/manifests/t?ns=%s", bad[i]);
		expect_error(target, "h", ERROR_NAME_INVALID);
	}
	expect_error("/v2/a/manifests/t?ns=a&ns=a", "h", ERROR_NAME_INVALID);
	assert_true(route_find(&conf, SV("/v2/a/manifests/t?ns=five.io%3A5000"), SV("h"), &r));
	assert_string_equal(r.ns, "five.io:5000");
}

static void rules_after_the_prefix(void **state)
{
	struct route r;

	(void)state;
	expect_error("/v2/private/app/manifests/t1?ns=four.io", "h", ERROR_DENIED);
	expect_error("/v2/public/secret/x/manifests/t1?ns=four.io", "h", ERROR_DENIED);
	expect_error("/v2/public-evil/x/manifests/t1?ns=four.io", "h", ERROR_DENIED);
	assert_false(route_find(&conf, SV("/v2/public/secret/x/manifests/t1?ns=four.io"), SV("h"), &r));
	assert_string_equal(r.detail, "deny = public/secret/*");
	two.allow = (struct conf_list){ .items = allowed, .count = 1 };
	expect("/v2/mirror/two/public/app/manifests/t1", "h", "two", "/v2/public/app/manifests/t1");
	expect_error("/v2/mirror/two/app/manifests/t1", "h", ERROR_DENIED);
	two.allow = (struct conf_list){ .count = 0 };
}

static void absolute_form_only_for_the_same_host(void **state)
{
	struct route r;

	(void)state;
	expect("http://a:80/v2/x/manifests/t", "a:80", "one", "/v2/x/manifests/t");
	expect("HTTP://A/v2/", "a", "one", "/v2/");
	expect_error("http://other/v2/", "a", ERROR_REQUEST_MALFORMED);
	expect_error("http://a:80/v2/", "a", ERROR_REQUEST_MALFORMED);
	expect_error("https://a/v2/", "a", ERROR_REQUEST_MALFORMED);
	expect_error("a:443", "a:443", ERROR_REQUEST_MALFORMED);
	expect_error("http://a", "a", ERROR_NOT_FOUND);
	assert_false(route_find(&conf, SV("http://other/v2/"), SV("a"), &r));
	assert_true(r.ends);
}

/* What is written has only parts that were checked: it routes to the same, and writes the same again. */
static void what_is_written_is_canonical(void **state)
{
	static const char *const part[] = { "/v2/", "a", "b-c", "/", "blobs", "manifests", "tags", "list", "referrers", DIGEST,
		                            "latest", "?", "n=1", "&", "ns=four.io", "..", "%41", "_", "A", "//", "mirror/two" };
	uint32_t seed = 42;
	unsigned passed = 0;

	(void)state;
	for (unsigned round = 0; round < 300000; round++) {
		char target[1200] = "/v2/", again[1200];
		size_t n = 4;
		seed = seed * 1664525u + 1013904223u;
		for (unsigned parts = 2 + (seed >> 28); parts > 0; parts--) {
			seed = seed * 1664525u + 1013904223u;
			n += (size_t)snprintf(target + n, sizeof(target) - n, "%s%s", part[(seed >> 16) % ARRAY_LEN(part)],
			                      seed >> 31 ? "/" : "");
		}
		struct route r, r2;
		const char *path = find(&conf, target, "h", &r);
		if (!path)
			continue;
		passed++;
		(void)snprintf(again, sizeof(again), "%s", path);
		assert_null(strstr(again, "/.."));
		assert_null(strstr(again, "/.."));
		assert_null(strstr(again, "ns="));
		conf.registries = 1; /* the upstream has no prefixes */
		const char *twice = find(&conf, again, "h", &r2);
		conf.registries = 6;
		assert_non_null(twice);
		assert_string_equal(twice, again);
		assert_int_equal(r.kind, r2.kind);
	}
	assert_true(passed > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_that_pass_unchanged),
		cmocka_unit_test(paths_that_are_written_anew),
		cmocka_unit_test(paths_that_do_not_pass),
		cmocka_unit_test(registry_by_prefix_host_and_ns),
		cmocka_unit_test(ns_is_one_checked_host),
		cmocka_unit_test(rules_after_the_prefix),
		cmocka_unit_test(absolute_form_only_for_the_same_host),
		cmocka_unit_test(what_is_written_is_canonical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
