/* Unit test: the pages of regctl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "ctl_json.h"
#include "ctl_pages.h"
#include "ctl_table.h"

static char *page;
static size_t page_size;

static FILE *begin(void)
{
	free(TAKE(page));
	FILE *out = open_memstream(&page, &page_size);
	assert_non_null(out);
	return out;
}

static int drop_page(void **state)
{
	(void)state;
	free(TAKE(page));
	return 0;
}

#define WORKERS "\"workers\":[{\"slot\":1,\"pid\":4712,\"generation\":1,\"state\":\"serving\",\"sessions\":13,"  \
		"\"heartbeat_age_ms\":120}]"

static void show_status(const char *registries, const char *upstreams, const char *state, const char *reload)
{
	char text[4096];

	(void)snprintf(text, sizeof(text),
	               "{\"version\":\"1.2\",\"pid\":4711,\"keeper_pid\":4713,\"generation\":1,\"state\":\"%s\","
	               "\"uptime_s\":75.5,\"config\":{\"path\":\"/etc/x.ini\",\"hash\":\"0123456789abcdef\"},"
	               "\"last_reload\":%s,\"public_port\":32137,\"listeners\":[\"*:8080\",\"[::1]:81\"],"
	               "\"registries\":[%s],\"upstreams\":[%s]," WORKERS "}", state, reload, registries, upstreams);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	FILE *out = begin();
	ctl_page_status(root, out);
	assert_int_equal(fclose(out), 0);
	json_decref(root);
}

#define NO_RELOAD "{\"result\":\"none\",\"error\":null,\"at\":null}"
#define DEFAULT_REGISTRY                                                                                          \
	"{\"name\":\"default\",\"host\":\"reg.kyma:25002\",\"upstream\":\"default\",\"default\":true,\"prefix\":\"\"," \
	"\"ns\":\"\",\"match_host\":\"\"}"
#define OTHER_REGISTRY                                                                                            \
	"{\"name\":\"b\",\"host\":\"b:5000\",\"upstream\":\"default\",\"default\":false,\"prefix\":\"team/b\","        \
	"\"ns\":\"\",\"match_host\":\"\"}"
#define UP   "{\"name\":\"default\",\"state\":\"up\",\"last_error\":null,\"last_success\":{\"age_s\":2.1}}"
#define DOWN                                                                                                      \
	"{\"name\":\"default\",\"state\":\"down\",\"last_error\":{\"id\":\"tunnel-down\",\"cause\":\"THE CAUSE.\","     \
	"\"fix\":\"THE FIX.\",\"age_s\":0.5},\"last_success\":null}"

static void first_line_says_what_to_use(void **state)
{
	(void)state;
	show_status(DEFAULT_REGISTRY, UP, "serving", NO_RELOAD);
	const char first[] = "use localhost:32137/...  for reg.kyma:25002  path up\n";
	assert_memory_equal(page, first, sizeof(first) - 1);
	assert_non_null(strstr(page, "regrelay 1.2, pid 4711, keeper 4713\n"));
	assert_non_null(strstr(page, "serving, up for 1min 15s\n"));
	assert_non_null(strstr(page, "/etc/x.ini (0123456789ab), generation 1\n"));
	assert_non_null(strstr(page, "*:8080\n"));
	assert_non_null(strstr(page, "[::1]:81\n"));
	assert_non_null(strstr(page, "never"));
	assert_null(strstr(page, "what to do"));
	assert_null(strstr(page, " \n"));
}

static void failure_comes_with_cause_and_remedy(void **state)
{
	(void)state;
	show_status(DEFAULT_REGISTRY, DOWN, "serving", NO_RELOAD);
	assert_non_null(strstr(page, "path DOWN: tunnel-down\n"));
	assert_non_null(strstr(page, "tunnel-down, 500ms ago"));
	assert_non_null(strstr(page, "THE CAUSE.\n"));
	assert_non_null(strstr(page, "THE FIX.\n"));
}

static void default_registry_comes_first(void **state)
{
	(void)state;
	show_status(OTHER_REGISTRY "," DEFAULT_REGISTRY, UP, "draining", NO_RELOAD);
	const char *first = strstr(page, "use localhost:32137/...  "), *second = strstr(page, "use localhost:32137/team/b/...");
	assert_ptr_equal(first, page);
	assert_true(second > first);
	assert_non_null(strstr(page, "the relay is draining\n"));
}

static void registry_that_no_image_name_leads_to(void **state)
{
	(void)state;
	show_status("{\"name\":\"b\",\"host\":\"b:5000\",\"upstream\":\"default\",\"default\":false}", UP, "serving", NO_RELOAD);
	const char first[] = "no image name leads there (ns, prefix, match_host)  for b:5000  path up\n";
	assert_memory_equal(page, first, sizeof(first) - 1);
}

static void failed_reload_stays_visible(void **state)
{
	(void)state;
	show_status(DEFAULT_REGISTRY, UP, "serving", "{\"result\":\"failed\",\"error\":\"x.ini:3: bad\\u001bkey\",\"at\":1.5}");
	assert_non_null(strstr(page, "FAILED "));
	assert_non_null(strstr(page, "x.ini:3: bad?key\n"));
	show_status(DEFAULT_REGISTRY, UP, "serving", "{\"result\":\"ok\",\"error\":null,\"at\":86400}");
	assert_non_null(strstr(page, ", ok\n"));
}

static const struct ctl_options something, everything = { .all = true };

static void nothing_at_all_is_survived(void **state)
{
	json_t *root = json_object();

	(void)state;
	FILE *out = begin();
	ctl_page_status(root, out);
	ctl_page_workers(root, out);
	ctl_page_version(root, out);
	ctl_page_pulls(root, NULL, 0, &everything, out);
	ctl_page_stats(root, NULL, 0, &everything, out);
	assert_int_equal(fclose(out), 0);
	json_decref(root);
}

static void workers_are_a_table(void **state)
{
	json_t *root = json_loads("{" WORKERS "}", 0, NULL);

	(void)state;
	FILE *out = begin();
	ctl_page_workers(root, out);
	assert_int_equal(fclose(out), 0);
	json_decref(root);
	assert_string_equal(page, "SLOT  PID   GENERATION  STATE    SESSIONS  HEARTBEAT\n"
	                          "1     4712  1           serving  13        120ms ago\n");
}

static void stats_leave_zeros_out(void **state)
{
	json_t *root = json_loads("{\"a_total{x=\\\"1\\\"}\":9007199254740991,\"b\":0,\"c\":0.25,\"d\":0.0}", 0, NULL);

	(void)state;
	FILE *out = begin();
	ctl_page_stats(root, NULL, 0, &something, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(page, "a_total{x=\"1\"} 9007199254740991\nc 0.25\n");
	out = begin();
	ctl_page_stats(root, NULL, 0, &everything, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(page, "a_total{x=\"1\"} 9007199254740991\nb 0\nc 0.25\nd 0\n");
	json_decref(root);
}

static void stats_have_rates_when_there_was_a_page_before(void **state)
{
	json_t *before = json_loads("{\"a_total\":10,\"b_total{x=\\\"1\\\"}\":5,\"c\":1,\"d_bucket{le=\\\"1\\\"}\":1}", 0, NULL);
	json_t *now = json_loads("{\"a_total\":40,\"b_total{x=\\\"1\\\"}\":5,\"c\":2,\"d_bucket{le=\\\"1\\\"}\":7}", 0, NULL);

	(void)state;
	FILE *out = begin();
	ctl_page_stats(now, before, 2, &something, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(page, "NAME     VALUE  PER SECOND\na_total  40     15.0\nc        2\n");
	out = begin();
	ctl_page_stats(now, before, 2, &everything, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(page, "d_bucket{le=\"1\"}  7      3.0\n"));
	json_decref(before);
	json_decref(now);
}

#define PULL(bytes)                                                                                                             \
	"{\"pulls\":[{\"slot\":1,\"pid\":7,\"generation\":1,\"request_id\":\"r1\",\"client\":\"10.0.0.1\",\"user\":\"a\\u001b\\u009b\\u00e9\"," \
	"\"registry\":\"default\",\"repository\":\"team/app\",\"reference\":\"sha256:0123456789abcdef0123\",\"route\":\"blob\","       \
	"\"bytes\":" bytes ",\"total\":2000000,\"age_s\":10,\"rate_bytes_per_second\":50000,\"waits_for\":\"bytes of the body\"},"    \
	"{\"slot\":2,\"pid\":8,\"request_id\":\"r2\",\"client\":\"10.0.0.2\",\"user\":\"\",\"repository\":\"\",\"reference\":\"t1\","      \
	"\"bytes\":0,\"total\":null,\"age_s\":0.02,\"rate_bytes_per_second\":0,\"waits_for\":\"the head\"}],\"unlisted\":3}"

static void pulls_are_a_table_with_bars(void **state)
{
	json_t *before = json_loads(PULL("500000"), 0, NULL), *now = json_loads(PULL("1000000"), 0, NULL);

	(void)state;
	FILE *out = begin();
	ctl_page_pulls(now, NULL, 0, &something, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(page, "CLIENT    USER    REPOSITORY  REFERENCE"));
	assert_non_null(strstr(page, "10.0.0.1  a???\xc3\xa9  team/app    sha256:0123456789ab  [#####.....] 1.0 MB of 2.0 MB  50 kB/s  10s"));
	assert_non_null(strstr(page, "10.0.0.2  -       -           t1                   0 B"));
	assert_non_null(strstr(page, "and 3 more\n"));
	out = begin();
	ctl_page_pulls(now, before, 0.5, &something, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(page, " 1.0 MB/s  10s   1       bytes of the body\n"));
	json_decref(before);
	json_decref(now);
}

static void bytes_are_short(void **state)
{
	static const struct {
		double bytes;
		const char *text;
	} row[] = { { -1, "0 B" }, { 999, "999 B" }, { 1000, "1.0 kB" }, { 9949, "9.9 kB" }, { 12345, "12 kB" }, { 999500, "1.0 MB" },
		    { 840e6, "840 MB" }, { 2.9e9, "2.9 GB" }, { 1e12, "1.0 TB" } };
	char text[CTL_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_string_equal(ctl_json_bytes(row[i].bytes, text), row[i].text);
}

static void ages_are_short(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} all[] = { { 0, "0ms" }, { -5, "0ms" }, { 0.0299, "29ms" }, { 1, "1s" }, { 59.9, "59s" }, { 60, "1min 0s" },
		    { 3599, "59min 59s" }, { 3600, "1h 0min" }, { 86399, "23h 59min" }, { 90000, "1d 1h" }, { 1e300, "0ms" } };
	char text[CTL_AGE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_string_equal(ctl_json_age(all[i].seconds, text), all[i].text);
}

static void show_doctor_step(FILE *out, const char *text)
{
	json_t *root = json_loads(text, 0, NULL);

	assert_non_null(root);
	ctl_page_doctor_step(root, out);
	json_decref(root);
}

static void the_doctor_shows_hops_and_what_mends_them(void **state)
{
	FILE *out = begin();
	json_t *result = json_loads("{\"result\":\"broken\",\"warnings\":[\"w\"],\"snippets\":[{\"about\":\"a\",\"text\":\"x\\n  y\"}],"
	                            "\"registries\":[{\"registry\":\"one\",\"broken\":\"mapping\"},{\"registry\":\"two\",\"broken\":null}]}",
	                            0, NULL);

	(void)state;
	show_doctor_step(out, "{\"registry\":\"one\",\"step\":\"proxy\",\"state\":\"ok\",\"ms\":12,\"text\":\"t\"}");
	show_doctor_step(out, "{\"registry\":\"one\",\"step\":\"mapping\",\"state\":\"broken\",\"ms\":null,\"text\":\"no\",\"cause\":\"c\","
	                      "\"fix\":\"f\"}");
	show_doctor_step(out, "{\"registry\":\"two\",\"step\":\"token\",\"state\":\"skipped\",\"text\":\"t\"}");
	show_doctor_step(out, "{}");
	ctl_page_doctor(result, out);
	assert_int_equal(fclose(out), 0);
	json_decref(result);
	assert_string_equal(page, "registry one\n"
	                          "  ok       proxy        12ms  t\n"
	                          "  BROKEN   mapping            no\n"
	                          "                       cause  c\n"
	                          "                          do  f\n"
	                          "registry two\n"
	                          "  -        token              t\n"
	                          "                              \n"
	                          "\nwarning: w\n"
	                          "\na:\n    x\n      y\n"
	                          "\nbroken: mapping of registry one\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(first_line_says_what_to_use, drop_page),
		cmocka_unit_test_teardown(failure_comes_with_cause_and_remedy, drop_page),
		cmocka_unit_test_teardown(default_registry_comes_first, drop_page),
		cmocka_unit_test_teardown(registry_that_no_image_name_leads_to, drop_page),
		cmocka_unit_test_teardown(failed_reload_stays_visible, drop_page),
		cmocka_unit_test_teardown(nothing_at_all_is_survived, drop_page),
		cmocka_unit_test_teardown(workers_are_a_table, drop_page),
		cmocka_unit_test_teardown(stats_leave_zeros_out, drop_page),
		cmocka_unit_test(stats_have_rates_when_there_was_a_page_before),
		cmocka_unit_test(the_doctor_shows_hops_and_what_mends_them),
		cmocka_unit_test(pulls_are_a_table_with_bars),
		cmocka_unit_test(bytes_are_short),
		cmocka_unit_test(ages_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
