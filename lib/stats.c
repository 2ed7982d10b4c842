/* Counters in shared memory: names, gauges, and what a process reports of itself.  Any process. */
#include "stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const code_names[STATS_CODE_COUNT] = {
#define X(code) [STATS_CODE_##code] = #code,
	STATS_CODES(X)
#undef X
	[STATS_CODE_OTHER] = "other",
};

enum stats_code stats_code_of(unsigned status)
{
	switch (status) {
#define X(code) case code: return STATS_CODE_##code;
		STATS_CODES(X)
#undef X
	default: return STATS_CODE_OTHER;
	}
}

const char *stats_code_name(enum stats_code c)
{
	return c < STATS_CODE_COUNT ? code_names[c] : "other";
}

const char *stats_route_name(enum stats_route r)
{
	static const char *const names[ROUTE_COUNT] = {
		[ROUTE_PING] = "ping", [ROUTE_MANIFEST] = "manifest",   [ROUTE_BLOB] = "blob",
		[ROUTE_TAGS] = "tags", [ROUTE_REFERRERS] = "referrers", [ROUTE_TOKEN] = "token",
		[ROUTE_OTHER] = "other",
	};
	return r < ROUTE_COUNT ? names[r] : "other";
}

const char *stats_method_name(enum stats_method m)
{
	return m == STATS_GET ? "GET" : m == STATS_HEAD ? "HEAD" : "other";
}

const char *stats_reason_name(enum stats_reason r)
{
	static const char *const names[REASON_COUNT] = {
		[REASON_DNS] = "dns",         [REASON_CONNECT] = "connect", [REASON_PROXY] = "proxy",
		[REASON_TLS] = "tls",         [REASON_TIMEOUT] = "timeout", [REASON_RESET] = "reset",
		[REASON_PROTOCOL] = "protocol",
	};
	return r < REASON_COUNT ? names[r] : "other";
}

const struct stats_scale stats_scale_ms = {
	.bounds = 15,
	.unit = 1000,
	.bound = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000 },
};

/* 1 KiB to 1.9 GiB, by fives. */
const struct stats_scale stats_scale_bytes = {
	.bounds = 10,
	.unit = 1,
	.bound = { 1024, 5120, 25600, 128000, 640000, 3200000, 16000000, 80000000, 400000000, 2000000000 },
};

void stats_observe(struct stats_histogram *h, const struct stats_scale *scale, uint64_t value)
{
	unsigned i = 0;

	while (i < scale->bounds && value > scale->bound[i])
		i++;
	stats_add(&h->bucket[i], 1);
	stats_add(&h->sum, value);
}

void stats_zero_gauges(struct stats_slot *slot)
{
	stats_set(&slot->sessions, 0);
#define COUNTER(field, series, help)
#define GAUGE(field, series, help) stats_set(&slot->field, 0);
#include "stats.def"
#undef COUNTER
#undef GAUGE
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		stats_set(&slot->in_flight[i], 0);
	for (size_t i = 0; i < STATS_UPSTREAMS; i++) {
		stats_set(&slot->upstream[i].connections, 0);
		stats_set(&slot->upstream[i].idle, 0);
		stats_set(&slot->upstream[i].waiting, 0);
	}
}

static void report_rss(struct stats_slot *slot)
{
	char text[128];
	unsigned long total, resident;
	CLEANUP(close_p) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "%lu %lu", &total, &resident) == 2)
		stats_set(&slot->resident_bytes, (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void report_fds(struct stats_slot *slot)
{
	uint64_t count = 0;
	DIR *d = opendir("/proc/self/fd");

	if (!d)
		return;
	while (readdir(d))
		count++;
	(void)closedir(d);
	if (count > 3)
		stats_set(&slot->open_fds, count - 3); /* ".", ".." and the directory itself */
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		stats_set(&slot->max_fds, limit.rlim_cur);
}

void stats_report_process(struct stats_slot *slot)
{
	static uint64_t reported_us; /* of this process: the slot goes on from where its last owner stopped */
	static pid_t reporter;
	struct rusage ru;

	if (reporter != getpid()) { /* a child's usage starts at 0 again */
		reporter = getpid();
		reported_us = 0;
	}
	if (getrusage(RUSAGE_SELF, &ru) == 0) {
		uint64_t us = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000u
		              + (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
		if (us > reported_us) {
			stats_add(&slot->cpu_us, us - reported_us);
			reported_us = us;
		}
	}
	report_rss(slot);
	report_fds(slot);
}
