/* `config check`: lets the daemon's program look at a file.  Regctl. */
#include "ctl_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exitcode.h"

#define DAEMON "regrelayd"

static void run(const char *program, const char *file)
{
	if (file)
		(void)execl(program, DAEMON, "-t", "-c", file, (char *)NULL);
	else
		(void)execl(program, DAEMON, "-t", (char *)NULL);
}

int ctl_check(const char *file)
{
	char path[4096];
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(DAEMON));
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;

	if (slash) {
		memcpy(slash + 1, DAEMON, sizeof(DAEMON));
		run(path, file);
	}
	run(SBINDIR "/" DAEMON, file);
	fprintf(stderr, "regctl: cannot run %s: %s\n", SBINDIR "/" DAEMON, strerror(errno));
	return EXITCODE_FAILED;
}
