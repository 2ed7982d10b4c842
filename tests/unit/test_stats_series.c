/* The series of shared memory: sums, names, zeros, families in a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "clock.h"
#include "stats_series.h"
#include "stats_totals.h"

#define SEEN_MAX 4096

struct collector {
	struct series_visitor visitor;
	unsigned n, stop_after;
	struct {
		char name[SERIES_NAME_MAX], family[SERIES_NAME_MAX], help[128];
		enum series_kind kind;
		double value;
		bool first;
	} row[SEEN_MAX];
};

static struct collector all;

static int collect(struct series_visitor *v, const struct series *s)
{
	struct collector *c = container_of(v, struct collector, visitor);

	assert_true(c->n < SEEN_MAX);
	(void)snprintf(c->row[c->n].name, sizeof(c->row[0].name), "%s", s->name);
	(void)snprintf(c->row[c->n].family, sizeof(c->row[0].family), "%s", s->family);
	(void)snprintf(c->row[c->n].help, sizeof(c->row[0].help), "%s", s->help);
	c->row[c->n].kind = s->kind;
	c->row[c->n].value = s->value;
	c->row[c->n].first = s->first;
	c->n++;
	return c->stop_after && c->n == c->stop_after ? 17 : 0;
}

static const char *const two[] = { "default", NULL, "back\"up\\" };

static int walk(const struct shm *shm)
{
	const struct series_source src = { .shm = shm, .upstream = two, .upstreams = 3, .version = "1.2.3" };

	all.n = 0;
	all.visitor.visit = collect;
	return series_each(&src, &all.visitor);
}

static int find(const char *name)
{
	for (unsigned i = 0; i < all.n; i++)
		if (strcmp(all.row[i].name, name) == 0)
			return (int)i;
	return -1;
}

static double value(const char *name)
{
	int i = find(name);

	if (i < 0)
		fail_msg("no series %s", name);
	return all.row[i].value;
}

static struct shm *shm;

static int setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	shm = shm_open_anonymous(&e);
	return shm ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	shm_close(shm);
	return 0;
}

static void test_sums_over_slots(void **state)
{
	(void)state;
	stats_add(&shm->slot[0].open_fds, 10);
	stats_add(&shm->slot[1].client_accepted, 3);
	stats_add(&shm->slot[255].client_accepted, 4);
	stats_add(&shm->slot[1].requests[ROUTE_BLOB][STATS_GET][STATS_CODE_206], 2);
	stats_add(&shm->slot[2].requests[ROUTE_BLOB][STATS_GET][STATS_CODE_206], 5);
	stats_add(&shm->slot[7].upstream[2].errors[REASON_DNS], 9);
	stats_set(&shm->slot[3].cpu_us, 1500000);
	stats_set(&shm->worker_exits[WORKER_EXIT_CRASH], 6);
	assert_int_equal(walk(shm), 0);
	assert_true(value("process_open_fds") == 10);
	assert_true(value("regrelay_client_connections_accepted_total") == 7);
	assert_true(value("regrelay_http_requests_total{route=\"blob\",method=\"GET\",code=\"206\"}") == 7);
	assert_true(value("regrelay_upstream_errors_total{upstream=\"back\\\"up\\\\\",reason=\"dns\"}") == 9);
	assert_true(value("process_cpu_seconds_total") == 1.5);
	assert_true(value("regrelay_worker_exits_total{reason=\"crash\"}") == 6);
	assert_true(value("regrelay_build_info{version=\"1.2.3\"}") == 1);
}

static void test_zeros_that_are_always_there(void **state)
{
	(void)state;
	assert_int_equal(walk(shm), 0);
	assert_true(value("regrelay_http_requests_total{route=\"token\",method=\"HEAD\",code=\"200\"}") == 0);
	assert_int_equal(find("regrelay_http_requests_total{route=\"token\",method=\"HEAD\",code=\"404\"}"), -1);
	assert_true(value("regrelay_upstream_requests_total{upstream=\"default\",code=\"200\"}") == 0);
	assert_true(value("regrelay_upstream_errors_total{upstream=\"default\",reason=\"protocol\"}") == 0);
	assert_true(value("regrelay_upstream_up{upstream=\"default\"}") == 1);
	assert_true(value("regrelay_upstream_last_success_timestamp_seconds{upstream=\"default\"}") == 0);
	for (unsigned i = 0; i < all.n; i++)
		assert_null(strstr(all.row[i].name, "(null)"));
}

static void test_families_stand_in_a_row_and_names_are_unique(void **state)
{
	(void)state;
	for (unsigned r = 0; r < ROUTE_COUNT; r++)
		for (unsigned m = 0; m < STATS_METHODS; m++)
			for (unsigned c = 0; c < STATS_CODE_COUNT; c++)
				stats_add(&shm->slot[1].requests[r][m][c], 1);
	assert_int_equal(walk(shm), 0);
	for (unsigned i = 0; i < all.n; i++) {
		assert_true(strlen(all.row[i].help) > 3);
		assert_int_equal(find(all.row[i].name), i);
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(all.row[j].family, all.row[i].family) != 0)
				continue;
			assert_false(all.row[i].first);
			assert_string_equal(all.row[i - 1].family, all.row[i].family);
			assert_int_equal(all.row[j].kind, all.row[i].kind);
			assert_string_equal(all.row[j].help, all.row[i].help);
		}
	}
}

static void test_counters_end_in_total_and_only_they(void **state)
{
	(void)state;
	assert_int_equal(walk(shm), 0);
	for (unsigned i = 0; i < all.n; i++) {
		bool total = sv_ends(sv_str(all.row[i].family), SV("_total"));
		assert_int_equal(total, all.row[i].kind == SERIES_COUNTER);
	}
}

static void test_upstream_seen(void **state)
{
	(void)state;
	uint64_t now = clock_now_ms();
	stats_set(&shm->slot[1].upstream[0].last_success_ms, now - 500);
	stats_set(&shm->slot[2].upstream[0].last_error_ms, now - 400);
	assert_int_equal(walk(shm), 0);
	assert_true(value("regrelay_upstream_up{upstream=\"default\"}") == 0);
	struct stats_seen seen = stats_upstream_seen(shm, 0);
	assert_true(stats_seen_down(&seen));
	double wall = (double)clock_wall_ms() / 1000;
	double at = value("regrelay_upstream_last_success_timestamp_seconds{upstream=\"default\"}");
	assert_true(at < wall && at > wall - 5);
	stats_set(&shm->slot[3].upstream[0].last_success_ms, now - 300);
	assert_int_equal(walk(shm), 0);
	assert_true(value("regrelay_upstream_up{upstream=\"default\"}") == 1);
	seen = stats_upstream_seen(shm, 0);
	assert_false(stats_seen_down(&seen));
}

static void test_histograms_rise_and_end_in_their_count(void **state)
{
	struct stats_histogram *h = &shm->slot[1].duration[ROUTE_BLOB];

	(void)state;
	stats_observe(h, &stats_scale_ms, 5); /* bounds are inclusive */
	stats_observe(h, &stats_scale_ms, 6);
	stats_observe(&shm->slot[2].duration[ROUTE_BLOB], &stats_scale_ms, 400000);
	stats_observe(&shm->slot[1].size[ROUTE_BLOB], &stats_scale_bytes, 1025);
	assert_int_equal(walk(shm), 0);
#define DURATION(rest) value("regrelay_http_request_duration_seconds" rest)
	assert_true(DURATION("_bucket{route=\"blob\",le=\"0.005\"}") == 1);
	assert_true(DURATION("_bucket{route=\"blob\",le=\"0.01\"}") == 2);
	assert_true(DURATION("_bucket{route=\"blob\",le=\"300\"}") == 2);
	assert_true(DURATION("_bucket{route=\"blob\",le=\"+Inf\"}") == 3);
	assert_true(DURATION("_count{route=\"blob\"}") == 3);
	assert_true(DURATION("_sum{route=\"blob\"}") == 400.011);
	assert_true(value("regrelay_http_response_size_bytes_bucket{route=\"blob\",le=\"1024\"}") == 0);
	assert_true(value("regrelay_http_response_size_bytes_bucket{route=\"blob\",le=\"5120\"}") == 1);
	assert_true(value("regrelay_http_response_size_bytes_bucket{route=\"blob\",le=\"2e+09\"}") == 1);
	assert_true(value("regrelay_upstream_connect_duration_seconds_count{upstream=\"default\"}") == 0);
	assert_int_equal(find("regrelay_http_request_duration_seconds_count{route=\"token\"}"), -1);
}

static void test_connections_read_at_two_moments(void **state)
{
	(void)state;
	stats_set(&shm->slot[1].upstream[0].connections, 3);
	stats_set(&shm->slot[1].upstream[0].idle, 5); /* a claim that cannot be */
	assert_int_equal(walk(shm), 0);
	assert_true(value("regrelay_upstream_connections{upstream=\"default\",state=\"active\"}") == 0);
	assert_true(value("regrelay_upstream_connections{upstream=\"default\",state=\"idle\"}") == 5);
}

static void test_slots_never_used_are_not_read(void **state)
{
	(void)state;
	atomic_store(&shm->slots_used, 3);
	stats_set(&shm->slot[2].sessions, 1);
	stats_set(&shm->slot[2].client_accepted, 1);
	stats_set(&shm->slot[3].client_accepted, 1);
	assert_int_equal(walk(shm), 0);
	assert_true(value("regrelay_client_connections_accepted_total") == 1);
	atomic_store(&shm->slots_used, 100000); /* out of range */
	assert_int_equal(walk(shm), 0);
	assert_true(value("regrelay_client_connections_accepted_total") == 2);
}

static void test_the_visitor_may_end_the_walk(void **state)
{
	(void)state;
	all.stop_after = 4;
	assert_int_equal(walk(shm), 17);
	assert_int_equal(all.n, 4);
	all.stop_after = 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sums_over_slots),
		T(test_zeros_that_are_always_there),
		T(test_families_stand_in_a_row_and_names_are_unique),
		T(test_counters_end_in_total_and_only_they),
		T(test_upstream_seen),
		T(test_histograms_rise_and_end_in_their_count),
		T(test_connections_read_at_two_moments),
		T(test_slots_never_used_are_not_read),
		T(test_the_visitor_may_end_the_walk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
