/* Twice a second: heartbeats of the children, the master's own figures, the service manager's watchdog.  Master. */
#include "clock.h"
#include "log.h"
#include "master_impl.h"

#define TICK_MS 500
#define LATE_MS (4 * TICK_MS)

static void check_children(struct master *m, uint64_t now_ms)
{
	/* After a suspend, or when this process itself got no CPU, every heartbeat looks old. */
	if (now_ms - m->last_tick_ms > LATE_MS) {
		log_warning("the master was held up for %llu ms; heartbeats are not judged in this round",
		            (unsigned long long)(now_ms - m->last_tick_ms));
		return;
	}
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		if (m->generation[i])
			generation_check_beats(m->generation[i], now_ms);
}

static int on_tick(sd_event_source *s, uint64_t usec, void *user)
{
	struct master *m = user;
	uint64_t now_ms = clock_now_ms();

	(void)usec;
	check_children(m, now_ms);
	m->last_tick_ms = now_ms;
	stats_set(&m->shm->slot[0].beat_ms, now_ms);
	stats_report_process(&m->shm->slot[0]);
	if (!m->current || generation_ready(m->current) > 0 || m->state != MASTER_SERVING)
		notify_watchdog();
	if (m->stopping)
		notify_extend();
	int r = sd_event_source_set_time_relative(s, TICK_MS * 1000);
	return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int pulse_start(struct master *m)
{
	m->last_tick_ms = clock_now_ms();
	int r = sd_event_add_time_relative(m->event, &m->tick, CLOCK_MONOTONIC, 0, 1000, on_tick, m);
	return r < 0 ? r : 0;
}
