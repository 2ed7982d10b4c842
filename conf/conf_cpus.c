/* How many workers `auto` means: the CPUs this process may really use.  Master. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "conf_key.h"

#define WORKERS_AUTO_MAX 4

static unsigned cpus_by_affinity(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n < 1 ? 1 : (unsigned)n;
}

static bool read_line(const char *path, char *dst, size_t cap)
{
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, dst, cap - 1);

	if (n <= 0)
		return false;
	dst[n] = '\0';
	dst[strcspn(dst, "\n")] = '\0';
	return true;
}

/* cpu.max is "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static unsigned cpus_by_quota(const char *path)
{
	char line[128];
	unsigned long long quota, period;

	if (!read_line(path, line, sizeof(line)) || sscanf(line, "%llu %llu", &quota, &period) != 2 || period == 0)
		return WORKERS_AUTO_MAX;
	unsigned long long cpus = (quota + period - 1) / period;
	return cpus < 1 ? 1 : cpus > WORKERS_AUTO_MAX ? WORKERS_AUTO_MAX : (unsigned)cpus;
}

/* In a container the own group is mounted at the root; elsewhere /proc/self/cgroup names it ("0::/path"). */
static unsigned cpus_by_cgroup(void)
{
	char line[256], path[300];
	unsigned root = cpus_by_quota("/sys/fs/cgroup/cpu.max"), own = WORKERS_AUTO_MAX;

	if (read_line("/proc/self/cgroup", line, sizeof(line)) && strncmp(line, "0::/", 4) == 0) {
		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", line + 3);
		own = cpus_by_quota(path);
	}
	return own < root ? own : root;
}

unsigned conf_workers_auto(void)
{
	unsigned cpus = cpus_by_affinity(), quota = cpus_by_cgroup();

	if (quota < cpus)
		cpus = quota;
	return cpus < WORKERS_AUTO_MAX ? cpus : WORKERS_AUTO_MAX;
}
