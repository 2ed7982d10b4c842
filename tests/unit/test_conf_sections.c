/* The configuration: how many sections there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "scratch.h"

/* All that is wrong with the file, each line without the path; the caller's. */
static char *mistakes_of(const char *text)
{
	struct conf *c = NULL;
	struct conf_errors e;
	char *all = NULL;
	size_t n = 0;

	const char *path = scratch("r.ini", text);
	const int r = conf_load(path, &c, &e);
	FILE *f = open_memstream(&all, &n);
	assert_non_null(f);
	for (unsigned i = 0; i < e.count; i++) {
		assert_memory_equal(e.line[i], path, strlen(path));
		fprintf(f, "%s\n", e.line[i] + strlen(path) + 1);
	}
	assert_int_equal(fclose(f), 0);
	assert_int_equal(r, e.count ? -EINVAL : 0);
	conf_errors_free(&e);
	conf_free(c);
	return all;
}

static void expect(const char *text, const char *mistakes)
{
	char *all = mistakes_of(text);

	assert_string_equal(all, mistakes);
	free(all);
}

/* So many of [word xN] with two lines each, and then the rest of the file; the caller's. */
static char *many(const char *word, const char *key, unsigned count, const char *rest)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	for (unsigned i = 0; i < count; i++)
		fprintf(f, "[%s x%u]\n%s = x%u:1\n", word, i, key, i);
	fputs(rest, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void proxies_are_counted(void **state)
{
	char *most = many("proxy", "address", CONF_PROXIES, "[registry]\nhost = r:1\nproxy = none\n");
	char *more = many("proxy", "address", CONF_PROXIES + 2, "[registry]\nhost = r:1\nproxy = x0\n");

	(void)state;
	expect(most, "");
	expect(more, "65: more than 32 [proxy] sections\n67: more than 32 [proxy] sections\n");
	free(most);
	free(more);
}

static void registries_are_counted(void **state)
{
	char *more = many("registry", "host", CONF_REGISTRIES + 1, "[registry x0]\n[proxy]\naddress = cp:1\n");

	(void)state;
	expect(more, "65: more than 32 [registry] sections\n67: [registry x0] is already given (an unnamed one is named default)\n"
	             " one of several registries must have 'default = yes'\n");
	free(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proxies_are_counted),
		cmocka_unit_test(registries_are_counted),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
