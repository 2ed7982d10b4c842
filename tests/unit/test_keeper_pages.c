/* The pages of the admin endpoint: when it is ready, what is exposed, how metrics are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "clock.h"
#include "conf.h"
#include "errors.h"
#include "pages.h"

static struct conf conf;
static struct conf_proxy proxy[2];
static struct heritage heritage;
static struct page page;

static int setup(void **state)
{
	static char first[] = "default", second[] = "other";
	struct err e;

	(void)state;
	memset(&conf, 0, sizeof(conf));
	proxy[0] = (struct conf_proxy){ .name = first, .index = 0 };
	proxy[1] = (struct conf_proxy){ .name = second, .index = 5 };
	conf.proxy[0] = &proxy[0];
	conf.proxy[1] = &proxy[1];
	conf.proxies = 2;
	conf.admin.expose_health = conf.admin.expose_metrics = true;
	heritage = (struct heritage){ .conf = &conf, .generation = 3, .shm = shm_open_anonymous(&e) };
	heritage.stats = &heritage.shm->slot[1];
	atomic_store(&heritage.shm->serving_generation, 3);
	stats_set(&heritage.shm->workers_wanted, 2);
	stats_set(&heritage.shm->workers_ready, 2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(page.body);
	page.body = NULL;
	shm_close(heritage.shm);
	return 0;
}

static unsigned get(const char *target)
{
	free(page.body);
	page = (struct page){ 0 };
	assert_int_equal(page_make(&heritage, sv_str(target), &page), 0);
	assert_int_equal(strlen(page.body), page.n);
	return page.status;
}

static void test_ready(void **state)
{
	(void)state;
	assert_int_equal(get("/readyz"), 200);
	stats_set(&heritage.shm->workers_ready, 1);
	assert_int_equal(get("/readyz"), 503);
	assert_string_equal(page.body, "1 of 2 workers are ready\n");
	stats_set(&heritage.shm->workers_wanted, 0);
	stats_set(&heritage.shm->workers_ready, 0);
	assert_int_equal(get("/readyz"), 503);
	stats_set(&heritage.shm->workers_wanted, 1);
	stats_set(&heritage.shm->workers_ready, 1);
	assert_int_equal(get("/readyz"), 200);
	atomic_store(&heritage.shm->serving_generation, 4); /* a reload: who is asked meanwhile speaks for the daemon */
	assert_int_equal(get("/readyz"), 200);
	atomic_store(&heritage.shm->serving_generation, 0);
	assert_int_equal(get("/readyz"), 503);
	assert_string_equal(page.body, "no configuration serves\n");
}

static void test_draining_is_alive_but_not_ready(void **state)
{
	(void)state;
	atomic_store(&heritage.shm->draining, 1);
	assert_int_equal(get("/readyz"), 503);
	assert_string_equal(page.body, "draining\n");
	assert_int_equal(get("/livez"), 200);
}

static void test_the_deep_probe(void **state)
{
	struct stats_upstream *u = &heritage.shm->slot[2].upstream[5];

	(void)state;
	assert_int_equal(get("/readyz?upstream=1"), 200); /* nothing seen yet */
	stats_set(&u->last_success_ms, clock_now_ms() - 100);
	stats_set(&u->last_error_ms, clock_now_ms());
	atomic_store(&u->last_error, ERROR_TUNNEL_DOWN);
	assert_int_equal(get("/readyz"), 200);
	assert_int_equal(get("/readyz?upstream=0"), 200);
	assert_int_equal(get("/readyz?x=2&upstream=1"), 503);
	assert_string_equal(page.body, "upstream other: tunnel-down\n");
	atomic_store(&u->last_error, 4000000000u); /* a claim */
	assert_int_equal(get("/readyz?upstream=1"), 503);
	stats_set(&heritage.shm->slot[7].upstream[5].last_success_ms, clock_now_ms() + 1);
	assert_int_equal(get("/readyz?upstream=1"), 200);
}

static void test_what_is_exposed(void **state)
{
	static const char *const nothing[] = { "/", "/livez/", "/metricsx", "/LIVEZ", "livez", "*", "/?/livez", "",
		                               "http://", "http://x", "http://x?/livez", "http:///livez/", "ftp://x/livez" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
		assert_int_equal(get(nothing[i]), 404);
	assert_int_equal(get("http://x:9090/livez"), 200);
	assert_int_equal(get("http://x/readyz?upstream=1"), 200);
	conf.admin.expose_health = false;
	assert_int_equal(get("/livez"), 404);
	assert_int_equal(get("/readyz"), 404);
	assert_int_equal(get("/metrics"), 200);
	conf.admin.expose_health = true;
	conf.admin.expose_metrics = false;
	assert_int_equal(get("/livez"), 200);
	assert_int_equal(get("/metrics"), 404);
}

static void test_metrics(void **state)
{
	(void)state;
	stats_set(&heritage.shm->slot[2].client_bytes_out, 12345678901234567ull);
	stats_set(&heritage.shm->slot[2].cpu_us, 1250000);
	assert_int_equal(get("/metrics?x"), 200);
	assert_string_equal(page.type, "text/plain; version=0.0.4; charset=utf-8");
	assert_non_null(strstr(page.body, "# HELP regrelay_workers Workers of the serving generation\n"
	                                  "# TYPE regrelay_workers gauge\n"
	                                  "regrelay_workers{state=\"ready\"} 2\n"
	                                  "regrelay_workers{state=\"wanted\"} 2\n# HELP "));
	assert_non_null(strstr(page.body, "\nprocess_cpu_seconds_total 1.250000\n"));
	assert_non_null(strstr(page.body, "regrelay_bytes_total{direction=\"out\",peer=\"client\"} 12345678901234568\n"));
	assert_non_null(strstr(page.body, "\nregrelay_upstream_up{upstream=\"other\"} 1\n"));
	assert_null(strstr(page.body, "null"));
	assert_null(strstr(page.body, "\n\n"));
	assert_int_equal(page.body[page.n - 1], '\n');
}

/* Every series there can be still fits. */
static void test_the_largest_page(void **state)
{
	static char name[CONF_NAME_MAX + 1];
	static struct conf_proxy many[CONF_PROXIES + CONF_REGISTRIES];

	(void)state;
	memset(name, 'n', CONF_NAME_MAX);
	conf.proxies = CONF_PROXIES + CONF_REGISTRIES;
	for (unsigned i = 0; i < conf.proxies; i++) {
		many[i] = (struct conf_proxy){ .name = name, .index = i };
		conf.proxy[i] = &many[i];
		for (unsigned c = 0; c < STATS_CODE_COUNT; c++)
			stats_set(&heritage.shm->slot[1].upstream[i].requests[c], UINT32_MAX);
	}
	for (unsigned r = 0; r < ROUTE_COUNT; r++)
		for (unsigned m = 0; m < STATS_METHODS; m++)
			for (unsigned c = 0; c < STATS_CODE_COUNT; c++)
				stats_set(&heritage.shm->slot[1].requests[r][m][c], UINT32_MAX);
	assert_int_equal(get("/metrics"), 200);
	assert_true(page.n > 100000 && page.n < PAGE_MAX / 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ready),   T(test_draining_is_alive_but_not_ready), T(test_the_deep_probe), T(test_what_is_exposed),
		T(test_metrics), T(test_the_largest_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
