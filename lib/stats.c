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
	stats_add(&h->sum, value);
	atomic_thread_fence(memory_order_release); /* who sees it counted finds it in the sum */
	stats_add(&h->bucket[i], 1);
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
		stats_set(&slot->upstream[i].breaker_open, 0);
	}
}

/* Opened once: a confined process opens nothing any more. */
static struct {
	pid_t pid; /* a child inherits what its parent had here, and must not use it */
	int statm, fds;
	uint64_t cpu_us; /* reported so far: the slot goes on from where its last owner stopped */
} process;

static void open_process(void)
{
	process.pid = getpid();
	process.cpu_us = 0;
	process.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	process.fds = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void stats_report_end(void)
{
	if (process.pid != getpid())
		return;
	close_p(&process.statm);
	close_p(&process.fds);
	process.pid = 0;
}

static void report_cpu(struct stats_slot *slot)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return;
	const uint64_t us = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000u
	                    + (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	if (us > process.cpu_us) {
		stats_add(&slot->cpu_us, us - process.cpu_us);
		process.cpu_us = us;
	}
}

static void report_rss(struct stats_slot *slot)
{
	char text[128];
	unsigned long total, resident;
	const ssize_t n = pread(process.statm, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "%lu %lu", &total, &resident) == 2)
		stats_set(&slot->resident_bytes, (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE));
}

static uint64_t count_fds(void)
{
	alignas(struct dirent64) char entries[4096];
	uint64_t count = 0;
	ssize_t n;

	if (lseek(process.fds, 0, SEEK_SET) < 0)
		return 0;
	while ((n = getdents64(process.fds, entries, sizeof(entries))) > 0)
		for (ssize_t at = 0; at < n; at += ((const struct dirent64 *)(const void *)(entries + at))->d_reclen)
			count++;
	return count > 2 ? count - 2 : 0; /* "." and ".." */
}

static void report_fds(struct stats_slot *slot)
{
	const uint64_t count = count_fds();
	struct rlimit limit;

	if (count)
		stats_set(&slot->open_fds, count);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		stats_set(&slot->max_fds, limit.rlim_cur);
}

void stats_report_process(struct stats_slot *slot)
{
	if (process.pid != getpid())
		open_process();
	report_cpu(slot);
	report_rss(slot);
	report_fds(slot);
}
