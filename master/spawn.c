/* Fork of a child that keeps its heritage and nothing else.  Master, until the child's body begins. */
#include "spawn.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "config.h"
#include "log.h"

#define KEPT_MAX (2 * HERITAGE_LISTENERS + HERITAGE_WAKES + 4)

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static unsigned kept_fds(const struct heritage *h, int *kept)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->listeners; i++)
		kept[n++] = h->listen_fd[i];
	for (unsigned i = 0; i < h->admins; i++)
		kept[n++] = h->admin_fd[i];
	for (unsigned i = 0; i < h->wakes; i++)
		kept[n++] = h->wake_others[i];
	kept[n++] = h->channel_fd;
	kept[n++] = h->wake_fd;
	kept[n++] = log_fd();
	qsort(kept, n, sizeof(*kept), by_number);
	return n;
}

/* The gaps between the descriptors that stay. */
static void close_foreign(const struct heritage *h)
{
	int kept[KEPT_MAX];
	unsigned n = kept_fds(h, kept), from = STDERR_FILENO + 1;

	for (unsigned i = 0; i < n; i++) {
		if (kept[i] < (int)from)
			continue;
		if ((unsigned)kept[i] > from)
			(void)close_range(from, (unsigned)kept[i] - 1, 0);
		from = (unsigned)kept[i] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

static void default_signals(void)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_handler = SIG_DFL;
	for (int s = 1; s < NSIG; s++)
		if (s != SIGPIPE)
			(void)sigaction(s, &act, NULL); /* EINVAL for KILL, STOP and libc's own */
}

/* Children hold what clients and keeper send and show: none of it shall come into a core file, nor before another process of
 * the same user.  (LeakSanitizer looks from outside.) */
static void hide_memory(void)
{
#ifndef WITH_SANITIZERS
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

pid_t spawn_child(const struct heritage *h, const char *name, int (*body)(const struct heritage *))
{
	sigset_t all, before, none;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_BLOCK, &all, &before) < 0)
		return -errno;
	const pid_t pid = fork();
	const int error = errno;
	if (pid == 0) {
		default_signals();
		close_foreign(h);
		hide_memory();
		log_set_process(name);
		log_count_drops(&h->stats->log_dropped);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		int status = body(h);
		log_close();
		(void)close_range(STDERR_FILENO + 1, ~0u, 0); /* a tool that counts what is left finds nothing */
		_exit(status);
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -error : pid;
}
