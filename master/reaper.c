/* The one place that waits for processes: children of ours and, as PID 1, of strangers.  Master. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"
#include "log.h"
#include "master_impl.h"

static void count_exit(struct master *m, const siginfo_t *info)
{
	enum worker_exit why = info->si_code == CLD_EXITED && info->si_status == 0           ? WORKER_EXIT_CLEAN
	                       : info->si_code == CLD_KILLED && info->si_status == SIGKILL ? WORKER_EXIT_KILLED
	                                                                                   : WORKER_EXIT_CRASH;
	_Atomic uint64_t *count = &m->shm->worker_exits[why];

	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void log_end(const struct child *c, const siginfo_t *info)
{
	bool exited = info->si_code == CLD_EXITED;
	const char *how = exited ? "ended with status" : "was ended by signal";
	const char *colon = exited ? "" : ": ", *name = exited ? "" : strsignal(info->si_status);

	if (exited && info->si_status == 0 && c->slot.leaving)
		log_fields(LOG_LEVEL_INFO,
		           FIELDS(LF_INT("child", info->si_pid), LF_INT("generation", c->generation->number)),
		           "%s %s %d", child_name(c), how, info->si_status);
	else
		log_fields(LOG_LEVEL_WARNING,
		           FIELDS(LF_EVENT(CHILD_DIED), LF_INT("child", info->si_pid),
		                  LF_INT("generation", c->generation->number)),
		           "%s %s %d%s%s", child_name(c), how, info->si_status, colon, name);
}

/* Generations share the queue, so the wake-up that a worker died with may have been for a client of another one's. */
static void kick_other_generations(struct master *m, const struct generation *its)
{
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		if (m->generation[i] && m->generation[i] != its)
			generation_kick(m->generation[i]);
}

static void reap(struct master *m, const siginfo_t *info)
{
	for (unsigned i = 0; i < SHM_GENERATIONS; i++) {
		struct generation *g = m->generation[i];
		struct child *c = g ? generation_child(g, info->si_pid) : NULL;
		if (!c)
			continue;
		log_end(c, info);
		if (!c->slot.keeper) {
			count_exit(m, info);
			kick_other_generations(m, g);
		}
		generation_reaped(g, c, info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status);
		return;
	}
	log_debug("reaped pid %d, which is none of ours", (int)info->si_pid);
}

static int on_child(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct master *m = user;

	(void)s, (void)si;
	/* Signals of several children may come as one. */
	for (;;) {
		siginfo_t info = { .si_pid = 0 };
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) {
			if (errno == EINTR)
				continue;
			return 0; /* ECHILD */
		}
		if (info.si_pid == 0)
			return 0;
		reap(m, &info);
	}
}

int reaper_start(struct master *m)
{
	int r = sd_event_add_signal(m->event, NULL, SIGCHLD, on_child, m);

	return r < 0 ? r : 0;
}
