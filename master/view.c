/* What the control API may see of the master.  Master. */
#include "view.h"

#include <errno.h>

#include "child.h"
#include "clock.h"
#include "master_impl.h"
#include "stats_totals.h"

static void worker_row(const struct master *m, const struct child *c, struct view_worker *ret)
{
	const struct stats_slot *claims = &m->shm->slot[c->slot.shm_slot];
	uint64_t sessions = stats_get(&claims->sessions), beat = stats_get(&claims->beat_ms), now = clock_now_ms();

	*ret = (struct view_worker){
		.slot = c->slot.shm_slot,
		.pid = c->slot.pid,
		.generation = c->generation->number,
		.state = slot_state_name(c->slot.state),
		.sessions = sessions <= c->generation->conf->listen.max_connections ? sessions : 0,
		.heartbeat_age_ms = beat < now ? now - beat : 0,
	};
}

unsigned view_workers(const struct master *m, struct view_worker *ret, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SHM_GENERATIONS; i++) {
		const struct generation *g = m->generation[i];
		for (unsigned w = 0; g && w < g->workers && n < max; w++)
			if (g->worker[w].slot.pid > 0)
				worker_row(m, &g->worker[w], &ret[n++]);
	}
	return n;
}

static uint64_t age_of(uint64_t at_ms, uint64_t now_ms)
{
	return at_ms == 0 ? UINT64_MAX : at_ms < now_ms ? now_ms - at_ms : 0;
}

unsigned view_upstreams(const struct master *m, struct view_upstream *ret, unsigned max)
{
	uint64_t now = clock_now_ms();
	unsigned n = 0;

	for (unsigned i = 0; i < m->conf->proxies && n < max; i++) {
		const struct conf_proxy *p = m->conf->proxy[i];
		const struct stats_seen seen = stats_upstream_seen(m->shm, p->index);
		ret[n++] = (struct view_upstream){
			.name = p->name,
			.state = stats_seen_down(&seen) ? "down" : seen.success_ms ? "up" : "unknown",
			.last_error = seen.error,
			.last_error_age_ms = age_of(seen.error_ms, now),
			.last_success_age_ms = age_of(seen.success_ms, now),
		};
	}
	return n;
}

const char *view_listener(const struct master *m, unsigned i)
{
	return i < m->conf->listen.address.count ? m->conf->listen.address.items[i].text : NULL;
}

const char *view_state(const struct master *m)
{
	static const char *const names[] = { [MASTER_STARTING] = "starting", [MASTER_SERVING] = "serving",
		                             [MASTER_DRAINING] = "draining", [MASTER_DRAINED] = "drained" };

	return names[m->state];
}

uint32_t view_generation(const struct master *m)
{
	return m->current && m->current->phase != GENERATION_STARTING ? m->current->number : 0;
}

pid_t view_keeper(const struct master *m)
{
	return m->current ? m->current->keeper.slot.pid : 0;
}

uint64_t view_uptime_ms(const struct master *m)
{
	return clock_now_ms() - m->started_ms;
}

void view_last_reload(const struct master *m, struct view_reload *ret)
{
	reload_view(m, ret);
}

const struct conf *view_conf(const struct master *m)
{
	return m->conf;
}

const struct shm *view_shm(const struct master *m)
{
	return m->shm;
}

void view_reload(struct master *m, bool dry_run, struct view_waiter *w)
{
	reload_request(m, dry_run, w);
}

const char *view_drain(struct master *m, struct view_waiter *w)
{
	return drain_begin(m, w);
}

void view_undrain(struct master *m, struct view_waiter *w)
{
	undrain_begin(m, w);
}

enum log_level view_log_level(const struct master *m)
{
	return (enum log_level)atomic_load_explicit(&m->shm->log_level, memory_order_relaxed);
}

void view_set_log_level(struct master *m, enum log_level level)
{
	atomic_store_explicit(&m->shm->log_level, (int)level, memory_order_relaxed);
}

int view_doctor(struct master *m, int fd)
{
	return m->current ? child_send_fd(&m->current->keeper, MSG_DOCTOR, fd) : -EPIPE;
}

void view_stop(struct master *m, bool now)
{
	stop_begin(m, now);
}
