/* The end: drain on the first TERM, now on the second, on INT and QUIT.  Master. */
#include <signal.h>
#include <string.h>

#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "master_impl.h"

#define HANGUP_MS      1000 /* control clients get that long to take their answer */
#define HANGUP_STEP_MS 20

static void leave(struct master *m)
{
	int r = sd_event_exit(m->event, m->exit_status);

	if (r < 0)
		log_error("cannot leave the loop: %s", strerror(-r));
}

static int on_hangup(sd_event_source *s, uint64_t usec, void *user)
{
	struct master *m = user;

	(void)usec;
	if (!m->control || !control_busy(m->control) || clock_now_ms() >= m->hangup_ms) {
		leave(m);
		return 0;
	}
	int r = sd_event_source_set_time_relative(s, HANGUP_STEP_MS * 1000);
	return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void stop_generation_gone(struct master *m)
{
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		if (m->generation[i] && m->generation[i]->phase != GENERATION_GONE)
			return;
	m->state = MASTER_DRAINED;
	if (!m->stopping || m->hangup)
		return;
	m->hangup_ms = clock_now_ms() + HANGUP_MS;
	if (sd_event_add_time_relative(m->event, &m->hangup, CLOCK_MONOTONIC, 0, 1000, on_hangup, m) < 0)
		leave(m);
}

static void for_all(struct master *m, bool now)
{
	uint64_t deadline = clock_now_ms() + m->conf->master.drain_timeout;

	for (unsigned i = 0; i < SHM_GENERATIONS; i++) {
		if (m->generation[i] && now)
			generation_kill(m->generation[i]);
		else if (m->generation[i])
			generation_retire(m->generation[i], deadline);
	}
	stop_generation_gone(m);
}

void stop_begin(struct master *m, bool now)
{
	bool first = !m->stopping;

	if (!first && !now)
		return;
	m->stopping = true;
	if (m->state < MASTER_DRAINING)
		m->state = MASTER_DRAINING;
	if (first) {
		log_notice(now ? "stopping now" : "stopping: running pulls have %llu s to end",
		           (unsigned long long)m->conf->master.drain_timeout / 1000);
		notify_stopping(m);
		master_publish(m);
		listeners_close(&m->listen);
	} else {
		log_notice("stopping now, running pulls are cut");
	}
	for_all(m, now);
}

void stop_failed(struct master *m, int status)
{
	m->exit_status = status;
	stop_begin(m, true);
}

static int on_term(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct master *m = user;

	(void)s, (void)si;
	stop_begin(m, m->stopping);
	return 0;
}

static int on_now(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	(void)s, (void)si;
	stop_begin(user, true);
	return 0;
}

static int on_hup(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	(void)s, (void)si, (void)user;
	log_warning("HUP: reloading is not built yet, going on with the configuration as it is; restart to change it");
	return 0;
}

int stop_start(struct master *m)
{
	int r = sd_event_add_signal(m->event, NULL, SIGTERM, on_term, m);

	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGINT, on_now, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGQUIT, on_now, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGHUP, on_hup, m);
	return r < 0 ? r : 0;
}
