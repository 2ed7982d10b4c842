/* The master: makes what children share, bears the first generation, and turns its loop until the stop.  Master. */
#include "master.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "master_impl.h"
#include "user.h"

static struct master *master_of(const struct generation *g)
{
	return container_of(g->calls, struct master_calls, calls)->master;
}

/* --- what generations tell ------------------------------------------------------------------------------------- */

void master_publish(struct master *m)
{
	struct shm *shm = m->shm;
	const struct generation *g = m->current;
	bool serves = g && g->phase == GENERATION_SERVING;

	atomic_store_explicit(&shm->draining, m->state >= MASTER_DRAINING, memory_order_relaxed);
	atomic_store_explicit(&shm->workers_wanted, g ? g->workers : 0, memory_order_relaxed);
	atomic_store_explicit(&shm->workers_ready, g ? generation_ready(g) : 0, memory_order_relaxed);
	atomic_store_explicit(&shm->serving_generation, serves ? g->number : 0, memory_order_relaxed);
}

static void on_served(struct generation *g)
{
	struct master *m = master_of(g);

	m->state = MASTER_SERVING;
	master_publish(m);
	child_send(&g->keeper, MSG_SERVE);
	notify_ready(m);
	log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_INT("generation", g->number), LF_INT("workers", g->workers)),
	           "serving on %s", g->conf->listen.address.items[0].text);
}

static void on_failed(struct generation *g, const struct child *c)
{
	struct master *m = master_of(g);
	int status = c->slot.exit_status ? c->slot.exit_status : EXITCODE_SOFTWARE;

	if (c->slot.refused.code)
		log_error("cannot start: %s: %s", child_name(c), c->slot.refused.reason);
	else
		log_error("cannot start: %s ended with status %d before it was ready", child_name(c), c->slot.exit_status);
	stop_failed(m, status > 128 ? EXITCODE_SOFTWARE : status);
}

static void on_moved(struct generation *g)
{
	master_publish(master_of(g));
}

static void on_gone(struct generation *g)
{
	struct master *m = master_of(g);

	log_debug("generation %u has ended", g->number);
	master_publish(m);
	stop_generation_gone(m);
}

/* --- birth ------------------------------------------------------------------------------------------------------ */

static int first_generation(struct master *m, struct conf *c, struct err *reterr)
{
	const struct generation_plan plan = {
		.number = ++m->generations,
		.index = 0,
		.conf = c,
		.shm = m->shm,
		.book = &m->book,
		.event = m->event,
		.listen = &m->listen,
		.admin = &m->admin,
		.children = m->children,
		.calls = &m->calls.calls,
	};

	m->current = m->generation[0] = generation_new(&plan, reterr);
	if (!m->current)
		return reterr->code ? reterr->code : -ENOMEM;
	return 0;
}

static int open_shared(struct master *m, struct err *reterr)
{
	m->shm = shm_open_anonymous(reterr);
	if (!m->shm)
		return reterr->code;
	atomic_store_explicit(&m->shm->log_level, (int)m->conf->log.level, memory_order_relaxed);
	atomic_store_explicit(&m->shm->started_wall_ms, clock_wall_ms(), memory_order_relaxed);
	atomic_store_explicit(&m->shm->slots_used, 1, memory_order_relaxed);
	log_share_level(&m->shm->log_level);
	log_count_drops(&m->shm->slot[0].log_dropped);
	return 0;
}

static int open_loop(struct master *m, struct err *reterr)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGQUIT);
	(void)sigaddset(&mask, SIGHUP);
	(void)sigaddset(&mask, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return err_sys(reterr, -errno, "cannot hold signals");
	int r = sd_event_new(&m->event);
	if (r >= 0)
		r = stop_start(m);
	if (r >= 0)
		r = reaper_start(m);
	if (r >= 0)
		r = pulse_start(m);
	if (r >= 0)
		r = control_start(m->control, m->event, m);
	return r < 0 ? err_sys(reterr, r, "cannot set up the master's events") : 0;
}

/* Everything up to the first fork, in the order that privileges allow.  0 or -errno; exit_status says what it means. */
static int prepare(struct master *m, struct err *reterr)
{
	const char *user = m->conf->master.user;
	int r = open_shared(m, reterr);

	m->exit_status = EXITCODE_RESOURCE;
	if (r == 0)
		r = listeners_open(m->conf, &m->listen, &m->admin, &m->exit_status, reterr);
	if (r < 0)
		return r;
	m->control = control_open(m->conf, reterr);
	if (!m->control)
		return reterr->code;
	r = user_switch(user, reterr);
	if (r < 0) {
		m->exit_status = EXITCODE_CONFIG;
		return r;
	}
	if (getuid() == 0)
		log_warning("running as root: set [master] user, nothing here needs root");
	return open_loop(m, reterr);
}

static void close_all(struct master *m)
{
	control_close(m->control);
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		generation_free(m->generation[i]);
	listeners_close(&m->listen);
	listeners_close(&m->admin);
	sd_event_source_disable_unref(m->tick);
	sd_event_source_disable_unref(m->hangup);
	sd_event_unref(m->event);
	log_share_level(NULL);
	log_count_drops(NULL);
	shm_close(m->shm);
}

static int serve(struct master *m)
{
	struct err why = { .code = 0 };
	struct conf *c = m->conf;
	int r = prepare(m, &why);

	if (r == 0) {
		r = first_generation(m, c, &why);
		m->exit_status = EXITCODE_RESOURCE;
	}
	if (r < 0) {
		log_error("%s", why.text);
		conf_free(c);
		return m->exit_status;
	}
	m->exit_status = EXITCODE_OK;
	generation_start(m->current);
	r = sd_event_loop(m->event);
	if (r < 0) {
		log_error("the master's loop fails: %s", strerror(-r));
		return EXITCODE_SOFTWARE;
	}
	log_notice("stopped");
	return m->exit_status;
}

int master_run(struct conf *c, const struct master_children *children)
{
	/* Static: a child that inherits this memory can still reach all of it. */
	static struct master m;

	m = (struct master){ .children = children, .conf = c, .started_ms = clock_now_ms() };
	m.calls = (struct master_calls){ .master = &m, .calls = { on_served, on_failed, on_moved, on_gone } };
	int status = serve(&m);
	close_all(&m);
	log_close();
	return status;
}
