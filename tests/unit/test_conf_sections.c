/* The configuration: how many sections there may be, the lines of what is in lists, and values that are of another kind. */
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
#include "conf_seen.h"
#include "scratch.h"

/* --wrap: the realloc that finds no memory, counted from 1; 0 = all do. */
static unsigned fails, reallocs;

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_realloc(void *p, size_t n)
{
	return fails && ++reallocs == fails ? NULL : __real_realloc(p, n);
}

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

#define SMALL "[proxy]\naddress = cp:20003\n[registry]\nhost = reg:5000\n"

static void items_of_lists_have_their_own_lines(void **state)
{
	(void)state;
	expect(SMALL "allow = a\nallow = B, c\nallow = d\n",
	       "6: allow: 'B' is not a pattern of repositories (like team/*, team/**)\n");
	expect(SMALL "token_hosts = a:1\nredirect_hosts = a:x\ntoken_hosts = b:x, a:1\nredirect_hosts = c:1\ntoken_hosts = d:1\n",
	       "6: redirect_hosts: 'a:x': 'x' is not a port from 1 to 65535\n"
	       "7: token_hosts: 'b:x': 'x' is not a port from 1 to 65535\n7: token_hosts: 'a:1' is there twice\n");
	expect("[proxy]\naddress = cp:1\nprotocol = socks5\nsocks_methods = 99\nsocks_methods = 00\n[registry]\nhost = r:1\n",
	       "4: socks_methods: '99' is none of 00 (no authentication), 80 (SAP's, with a token)\n");
	expect(SMALL "[admin]\naddress = 127.0.0.1:8080\naddress = 127.0.0.1:1\n[listen]\naddress = 127.0.0.1:8080\n",
	       "6: address: 127.0.0.1:8080 is [listen]'s\n");
}

/* "proxy = none" would never lead to it. */
static void none_is_no_name_of_a_proxy(void **state)
{
	(void)state;
	expect("[proxy none]\naddress = cp:1\n[registry none]\nhost = r:1\nproxy = none\n",
	       "1: a [proxy] cannot be named none: 'proxy = none' is straight to the host\n");
}

/* What people write most often instead. */
static void urls_are_no_hosts(void **state)
{
	(void)state;
	expect("[proxy]\naddress = http://cp:20003\n[registry]\nhost = https://reg/v2\nns = https://docker.io\n"
	       "token_hosts = https://auth.corp:8443/token\n",
	       "2: address: 'http://cp:20003' is a URL, HOST:PORT is wanted\n4: host: 'https://reg/v2' is a URL, HOST:PORT is wanted\n"
	       "5: ns: 'https://docker.io' is a URL, HOST:PORT is wanted\n"
	       "6: token_hosts: 'https://auth.corp:8443/token': a URL, but without the scheme is wanted\n");
}

/* OpenSSL would wait for what it brings. */
static void a_pipe_is_no_bundle(void **state)
{
	char pipe[100], text[300];

	(void)state;
	(void)snprintf(pipe, sizeof(pipe), "%s/pipe", scratch_dir);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	(void)snprintf(text, sizeof(text), "[registry]\nhost = r:1\nproxy = none\nscheme = https\nca_file = %s\n", pipe);
	char *all = mistakes_of(text);
	assert_non_null(strstr(all, "/pipe: no CA certificates: not a file\n"));
	free(all);
}

static void origins_of_lists_are_shown(void **state)
{
	const char *path = scratch("r.ini", SMALL "allow = a, b\ndeny = x\nallow = c\n");
	struct conf_errors e;
	struct conf *c;
	char text[16384], wanted[256];
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	assert_int_equal(conf_load(path, &c, &e), 0);
	assert_int_equal(conf_dump(c, fileno(f)), 0);
	rewind(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	(void)snprintf(wanted, sizeof(wanted), "\n# %s:5\nallow = a\nallow = b\n# %s:7\nallow = c\n# %s:6\ndeny = x\n# default\n",
	               path, path, path);
	assert_non_null(strstr(text, wanted));
	conf_free(c);
}

static struct conf *with_many_patterns(const char *last)
{
	struct conf *c = NULL;
	struct conf_errors e;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	fputs(SMALL, f);
	for (unsigned i = 0; i < 250; i++)
		fprintf(f, "allow = team%u/%0100u\n", i, i);
	fprintf(f, "allow = %s\n", last);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(conf_load(scratch("r.ini", text), &c, &e), 0);
	free(text);
	return c;
}

static void long_lists_are_compared_to_their_end(void **state)
{
	struct conf *a = with_many_patterns("a"), *same = with_many_patterns("a"), *b = with_many_patterns("b");
	struct seen s = { .diff.visit = on_change };

	(void)state;
	conf_compare(a, same, &s.diff);
	assert_string_equal(s.what, "");
	conf_compare(a, b, &s.diff);
	assert_string_equal(s.what, "[registry] allow");
	conf_free(a);
	conf_free(same);
	conf_free(b);
}

static void a_bad_file_is_bad_without_memory_to_say_so(void **state)
{
	const char *path = scratch("r.ini", "[proxy]\naddress = cp:1\n[registry]\nhost = r\nallow = UPPER\n");

	(void)state;
	for (fails = 1, reallocs = 1; reallocs >= fails; fails++) {
		struct conf *c = NULL;
		struct conf_errors e;
		reallocs = 0;
		assert_true(conf_load(path, &c, &e) < 0);
		assert_null(c);
		conf_errors_free(&e);
	}
	assert_true(fails > 3);
	fails = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proxies_are_counted),
		cmocka_unit_test(registries_are_counted),
		cmocka_unit_test(items_of_lists_have_their_own_lines),
		cmocka_unit_test(origins_of_lists_are_shown),
		cmocka_unit_test(none_is_no_name_of_a_proxy),
		cmocka_unit_test(urls_are_no_hosts),
		cmocka_unit_test(long_lists_are_compared_to_their_end),
		cmocka_unit_test(a_pipe_is_no_bundle),
		cmocka_unit_test(a_bad_file_is_bad_without_memory_to_say_so),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
