/* Names, tags, digests, queries, globs: tables of what passes and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cleanup.h"
#include "path.h"
#include "policy.h"

#define HEX16  "0123456789abcdef"
#define HEX64  HEX16 HEX16 HEX16 HEX16
#define HEX128 HEX64 HEX64

static void check_all(bool (*is)(struct strview), const char *const *text, size_t count, bool expected)
{
	for (size_t i = 0; i < count; i++)
		if (is(sv_str(text[i])) != expected)
			fail_msg("'%s' should %s", text[i], expected ? "pass" : "not pass");
}

static void names(void **state)
{
	static const char *const good[] = { "a", "a/b", "team/app", "a.b", "a_b", "a__b", "a-b", "a---b", "0/1/2",
		                            "blobs/manifests/tags/list", "a.b_c__d-e/f" };
	static const char *const bad[] = { "", "/", "a/", "/a", "a//b", "A", "a/B", ".a", "a.", "a..b", "a___b", "-a",
		                           "a-", "_a", "a_", "a._b", "a/./b", "a/../b", "..", "a b", "a%2fb", "a;b",
		                           "a\\b", "\xc3\xa4", "a?b" };
	(void)state;
	check_all(path_is_name, good, ARRAY_LEN(good), true);
	check_all(path_is_name, bad, ARRAY_LEN(bad), false);
}

static void name_length(void **state)
{
	char text[PATH_NAME_MAX + 2];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(path_is_name(sv_make(text, PATH_NAME_MAX)));
	assert_false(path_is_name(sv_make(text, PATH_NAME_MAX + 1)));
}

static void tags(void **state)
{
	static const char *const good[] = { "latest", "v1.2_3-x", "_x", "A", "1", "a--b..c" };
	static const char *const bad[] = { "", ".a", "-a", "a/b", "a:b", "a b", "%74", "a\n", "\xff" };
	char text[PATH_TAG_MAX + 1];

	(void)state;
	check_all(path_is_tag, good, ARRAY_LEN(good), true);
	check_all(path_is_tag, bad, ARRAY_LEN(bad), false);
	memset(text, 't', sizeof(text));
	assert_true(path_is_tag(sv_make(text, PATH_TAG_MAX)));
	assert_false(path_is_tag(sv_make(text, PATH_TAG_MAX + 1)));
}

static void digests(void **state)
{
	static const char *const good[] = { "sha256:" HEX64, "sha512:" HEX128, "sha384:" HEX64 HEX16 HEX16 };
	static const char *const bad[] = { "", "sha256:", "sha256", "sha256:short", "sha256:" HEX64 "0", "SHA256:" HEX64,
		                           "sha256:" HEX16 HEX16 HEX16 "0123456789ABCDEF", "md5:" HEX16 HEX16,
		                           "sha512:" HEX64, "sha256:" HEX16 HEX16 HEX16 "0123456789abcdeg", HEX64 };
	(void)state;
	check_all(path_is_digest, good, ARRAY_LEN(good), true);
	check_all(path_is_digest, bad, ARRAY_LEN(bad), false);
}

static void globs(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} row[] = {
		{ "team/app", "team/app", true },       { "team/app", "team/app2", false },
		{ "team", "team/app", false },          { "team/*", "team/app", true },
		{ "team/*", "team/a/b", false },        { "team/*", "team-evil/x", false },
		{ "team/**", "team/a/b", true },        { "team/**", "team-evil/x", false },
		{ "team/**", "team", false },           { "*", "a", true },
		{ "*", "a/b", false },                  { "**", "a/b/c", true },
		{ "*/app", "team/app", true },          { "*/app", "a/b/app", false },
		{ "**/app", "a/b/app", true },          { "**/app", "app", false },
		{ "a*b*c", "axxbyyc", true },           { "a*b*c", "axxb/yyc", false },
		{ "a**c*e", "a/b/c/c1e", true },        { "a**c*e", "a/b/c/c/e", false },
		{ "**a*b/c", "a/ab/ab/c", true },       { "**/x*/**", "a/xb/c/d", true },
		{ "a*", "a", true },                    { "", "", true },
		{ "", "a", false },                     { "*a", "aaab", false },
		{ "*ab", "aaab", true },                { "**ab*", "ab/ab", true },
		{ "a/*/b", "a/x/b", true },             { "a/*/b", "a/x/y/b", false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		if (policy_glob(sv_str(row[i].pattern), sv_str(row[i].name)) != row[i].matches)
			fail_msg("%s against %s should be %d", row[i].pattern, row[i].name, row[i].matches);
}

/* The plain definition, exponential and obviously right. */
static bool slow_glob(const char *p, const char *n)
{
	if (p[0] == '*' && p[1] == '*')
		return slow_glob(p + 2, n) || (*n && slow_glob(p, n + 1));
	if (p[0] == '*')
		return slow_glob(p + 1, n) || (*n && *n != '/' && slow_glob(p, n + 1));
	if (!*p || !*n)
		return !*p && !*n;
	return *p == *n && slow_glob(p + 1, n + 1);
}

static void globs_agree_with_their_definition(void **state)
{
	static const char letters[] = "ab/*";
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		char pattern[9] = "", name[11] = "";
		for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
			seed = seed * 1664525u + 1013904223u;
			pattern[i] = (seed >> 24) % 6 ? letters[(seed >> 16) % 4] : '\0';
		}
		for (size_t i = 0; i < sizeof(name) - 1; i++) {
			seed = seed * 1664525u + 1013904223u;
			name[i] = (seed >> 24) % 8 ? letters[(seed >> 16) % 3] : '\0';
		}
		if (policy_glob(sv_str(pattern), sv_str(name)) != slow_glob(pattern, name))
			fail_msg("%s against %s", pattern, name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),   cmocka_unit_test(name_length), cmocka_unit_test(tags),
		cmocka_unit_test(digests), cmocka_unit_test(globs),
		cmocka_unit_test(globs_agree_with_their_definition),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
