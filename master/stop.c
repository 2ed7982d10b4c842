/* Drain and stop: who accepts no more, who waits for it, and when the loop ends.  Master.
 *
 * A drain lets the workers go and keeps the keeper, so that probes can say "drained"; a stop is a drain that ends the
 * daemon.  The first TERM stops, also after regctl stop; a second one, INT and QUIT mean now. */
#include <signal.h>
#include <string.h>

#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "master_impl.h"

#define HANGUP_MS      1000 /* control clients get that long to take their answer */
#define HANGUP_STEP_MS 20

/* --- the very end ------------------------------------------------------------------------------------------------ */

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

static bool all_are(const struct master *m, enum generation_phase least)
{
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		if (m->generation[i] && m->generation[i]->phase < least)
			return false;
	return true;
}

static void drained(struct master *m)
{
	struct view_answer a = master_answer_make(m, 200, EXITCODE_OK, "");

	if (m->state != MASTER_DRAINED) {
		m->state = MASTER_DRAINED;
		log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_EVENT(DRAINED)), "drained: no pull is running");
		notify_drained();
	}
	master_answer(&m->drain_waiters, &a);
}

void stop_moved(struct master *m)
{
	if (m->state == MASTER_DRAINING && all_are(m, GENERATION_IDLE))
		drained(m);
	if (!m->stopping || m->hangup || !all_are(m, GENERATION_GONE))
		return;
	m->hangup_ms = clock_now_ms() + HANGUP_MS;
	if (sd_event_add_time_relative(m->event, &m->hangup, CLOCK_MONOTONIC, 0, 1000, on_hangup, m) < 0)
		leave(m);
}

/* --- on the way there --------------------------------------------------------------------------------------------- */

static void retire_all(struct master *m)
{
	uint64_t deadline = clock_now_ms() + m->conf->master.drain_timeout;

	m->delay = sd_event_source_disable_unref(m->delay);
	for (unsigned i = 0; i < SHM_GENERATIONS; i++) {
		struct generation *g = m->generation[i];
		if (!g)
			continue;
		generation_retire(g, deadline, !m->stopping && g == m->current);
		if (m->stopping)
			generation_release(g);
	}
	stop_moved(m);
}

static int on_delay(sd_event_source *s, uint64_t usec, void *user)
{
	(void)s, (void)usec;
	retire_all(user);
	return 0;
}

/* Not ready from now on; still accepting for drain_delay, because load balancers take a while to notice. */
static void begin(struct master *m)
{
	uint64_t delay_ms = m->conf->master.drain_delay;

	m->state = MASTER_DRAINING;
	reload_abort(m, "the daemon drains");
	if (!m->stopping)
		notify_draining();
	master_publish(m);
	if (delay_ms == 0
	    || sd_event_add_time_relative(m->event, &m->delay, CLOCK_MONOTONIC, delay_ms * 1000, 1000, on_delay, m) < 0)
		retire_all(m);
}

static void kill_all(struct master *m)
{
	m->delay = sd_event_source_disable_unref(m->delay);
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		if (m->generation[i])
			generation_kill(m->generation[i]);
	stop_moved(m);
}

/* Drained, but an undrain runs: its workers may have taken clients already. */
static void drain_again(struct master *m)
{
	m->state = MASTER_DRAINING;
	undrain_abort(m, "the daemon drains");
	stop_moved(m);
}

const char *drain_begin(struct master *m, struct view_waiter *w)
{
	if (m->stopping || m->state == MASTER_STARTING) {
		const char *why = m->stopping ? "the daemon is stopping" : "the daemon is starting";
		master_refuse(m, w, why);
		return why;
	}
	if (w)
		list_append(&m->drain_waiters, &w->node);
	if (m->state == MASTER_SERVING || m->undraining)
		log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_EVENT(DRAINING)), "draining: running pulls have %llu s to end",
		           (unsigned long long)m->conf->master.drain_timeout / 1000);
	if (m->state == MASTER_SERVING)
		begin(m);
	else if (m->undraining)
		drain_again(m);
	else if (m->state == MASTER_DRAINED && !all_are(m, GENERATION_IDLE))
		m->state = MASTER_DRAINING; /* an undrain was refused, and whom its workers took is still served */
	else if (m->state == MASTER_DRAINED)
		drained(m);
	return NULL;
}

void stop_begin(struct master *m, bool now)
{
	bool first = !m->stopping;

	if (!first && !now)
		return;
	m->stopping = true;
	if (first)
		log_notice(now ? "stopping now" : "stopping: running pulls have %llu s to end",
		           (unsigned long long)m->conf->master.drain_timeout / 1000);
	else
		log_notice("stopping now, running pulls are cut");
	notify_stopping(m);
	undrain_abort(m, "the daemon is stopping");
	if (now) {
		m->state = m->state < MASTER_DRAINING ? MASTER_DRAINING : m->state;
		reload_abort(m, "the daemon is stopping");
		master_publish(m);
		kill_all(m);
	} else if (m->state < MASTER_DRAINING) {
		begin(m);
	} else if (!m->delay) { /* draining or drained already: the rest is the keeper */
		retire_all(m);
	}
}

void stop_failed(struct master *m, int status)
{
	m->exit_status = status;
	stop_begin(m, true);
}

/* --- signals ------------------------------------------------------------------------------------------------------- */

static int on_term(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct master *m = user;

	(void)s, (void)si;
	stop_begin(m, m->termed);
	m->termed = true;
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
	(void)s, (void)si;
	log_notice("HUP: reloading");
	reload_request(user, false, NULL);
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
