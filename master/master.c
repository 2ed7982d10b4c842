/* The master: makes what children share, bears the first generation, and turns its loop until the stop.  Master. */
#include "master.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "exitcode.h"
#include "inherit.h"
#include "log.h"
#include "master_impl.h"
#include "user.h"

#define ADMIN_BACKLOG 128

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
	atomic_store_explicit(&shm->certificate_until_s, g && g->conf->listen.tls ? tls_context_expires(g->conf->listen.tls) : 0,
	                      memory_order_relaxed);
	atomic_store_explicit(&shm->serving_generation, serves ? g->number : 0, memory_order_relaxed);
}

/* The first generation serves: the daemon is there, unless it was told to stop before that. */
static void first_served(struct master *m, struct generation *g)
{
	if (m->state == MASTER_STARTING)
		m->state = MASTER_SERVING;
	log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_EVENT(STARTED), LF_INT("generation", g->number), LF_INT("workers", g->workers)),
	           "serving on %s", g->conf->listen.address.items[0].text);
}

static void warn_of_certificate(const struct conf *c)
{
	char text[PATH_MAX + 100];

	if (conf_tls_warning(c, clock_wall_ms() / 1000, text, sizeof(text)))
		log_warning("%s", text);
}

static void on_served(struct generation *g)
{
	struct master *m = master_of(g);
	const bool undrained = undrain_served(m, g);

	if (!undrained && !reload_served(m, g))
		first_served(m, g);
	warn_of_certificate(g->conf);
	master_publish(m);
	child_send(&g->keeper, MSG_SERVE);
	if (!m->stopping)
		notify_ready(m);
	if (undrained)
		undrain_answer(m); /* who is told may ask /readyz at once */
}

static void on_failed(struct generation *g, const struct child *c)
{
	struct master *m = master_of(g);
	int status = c->slot.exit_status ? c->slot.exit_status : EXITCODE_SOFTWARE;
	char why[MSG_REASON_MAX + 64];

	if (c->slot.refused.code)
		(void)snprintf(why, sizeof(why), "%s: %s", child_name(c), c->slot.refused.reason);
	else
		(void)snprintf(why, sizeof(why), "%s ended with status %d before it was ready", child_name(c),
		               c->slot.exit_status);
	if (reload_failed(m, g, status, why) || undrain_failed(m, g, status, why))
		return;
	log_error("cannot start: %s", why);
	stop_failed(m, status > 128 ? EXITCODE_SOFTWARE : status);
}

static void on_moved(struct generation *g)
{
	master_publish(master_of(g));
}

static void on_closed(struct generation *g)
{
	reload_closed(master_of(g), g);
}

static void on_drained(struct generation *g)
{
	stop_moved(master_of(g));
}

static void on_gone(struct generation *g)
{
	struct master *m = master_of(g);

	log_debug("generation %u has ended", g->number);
	if (sd_event_source_set_enabled(m->collector, SD_EVENT_ONESHOT) < 0)
		log_warning("generation %u stays in memory", g->number);
	master_publish(m);
	reload_room(m);
	stop_moved(m);
}

/* Not from within the generation's own calls. */
static int on_collect(sd_event_source *s, void *user)
{
	struct master *m = user;

	(void)s;
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		if (m->generation[i] && m->generation[i] != m->current && m->generation[i]->phase == GENERATION_GONE) {
			generation_free(m->generation[i]);
			m->generation[i] = NULL;
		}
	return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

struct view_answer master_answer_make(const struct master *m, unsigned status, int exit, const char *error)
{
	static const struct conf_errors none = { NULL, 0 };

	return (struct view_answer){ .status = status, .exit = exit, .error = error, .generation = view_generation(m),
		                     .errors = &none, .changed = &none };
}

void master_answer(struct list *waiters, const struct view_answer *a)
{
	while (!list_empty(waiters)) {
		struct view_waiter *w = list_entry(waiters->next, struct view_waiter, node);
		list_del(&w->node);
		w->answer(w, a);
	}
}

void master_refuse(const struct master *m, struct view_waiter *w, const char *why)
{
	struct view_answer a = master_answer_make(m, 409, EXITCODE_FAILED, why);

	if (w)
		w->answer(w, &a);
}

/* --- birth ------------------------------------------------------------------------------------------------------ */

static int free_index(const struct master *m)
{
	for (int i = 0; i < SHM_GENERATIONS; i++)
		if (!m->generation[i])
			return i;
	return -1;
}

static int open_listeners(struct master *m, const struct conf *c, struct generation_plan *plan, struct err *reterr)
{
	const struct listeners *from[] = { &m->inherited, m->current ? &m->current->listen : NULL,
		                           m->current ? &m->current->admin : NULL, NULL };
	int r = listeners_expected(&m->inherited, c, reterr);

	if (r < 0) {
		if (!m->current)
			m->exit_status = EXITCODE_CONFIG;
		return r;
	}
	r = listeners_open(&c->listen.address, (int)c->listen.backlog, from, &plan->listen, reterr);
	if (r == 0)
		r = listeners_open(&c->admin.address, ADMIN_BACKLOG, from, &plan->admin, reterr);
	if (r < 0)
		listeners_close(&plan->listen);
	return r;
}

int master_bear(struct master *m, struct conf *c, struct generation **ret, struct err *reterr)
{
	struct generation_plan plan = { .conf = c, .shm = m->shm, .book = &m->book, .event = m->event,
		                        .children = m->children, .calls = &m->calls.calls };
	int index = free_index(m);
	int r = index < 0 ? err_set(reterr, -ENOSPC, "%d generations are alive", SHM_GENERATIONS)
	                  : proxy_index_assign(&m->indices, c, reterr);

	if (r == 0)
		r = open_listeners(m, c, &plan, reterr);
	if (r < 0)
		return r;
	plan.number = ++m->generations;
	plan.index = (unsigned)index;
	struct generation *g = generation_new(&plan, reterr);
	if (!g) {
		listeners_close(&plan.listen);
		listeners_close(&plan.admin);
		return reterr->code ? reterr->code : -ENOMEM;
	}
	inherit(m->shm, (struct estate){ g->conf, g->index },
	        m->current ? (struct estate){ m->current->conf, m->current->index } : (struct estate){ .conf = NULL }, clock_now_ms());
	*ret = m->generation[index] = g;
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
		r = reload_start(m);
	if (r >= 0)
		r = config_watch_start(m);
	if (r >= 0)
		r = sd_event_add_defer(m->event, &m->collector, on_collect, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->collector, SD_EVENT_OFF);
	return r < 0 ? err_sys(reterr, r, "cannot set up the master's events") : 0;
}

/* Everything up to the switch of the user, in the order that privileges allow; the first generation is made, not born.
 * 0 or -errno; exit_status says what that means. */
static int prepare(struct master *m, struct err *reterr)
{
	int r = open_shared(m, reterr);

	m->exit_status = EXITCODE_RESOURCE;
	if (r == 0)
		r = listeners_inherit(&m->inherited, reterr);
	if (r == 0)
		r = open_loop(m, reterr);
	if (r < 0)
		return r;
	r = master_bear(m, m->conf, &m->current, reterr);
	if (r < 0)
		return r;
	m->control = control_open(m->conf, reterr);
	if (!m->control)
		return reterr->code;
	r = user_switch(m->conf->master.user, reterr);
	if (r < 0) {
		m->exit_status = EXITCODE_CONFIG;
		return r;
	}
	if (getuid() == 0)
		log_warning("running as root: set [master] user, nothing here needs root");
	r = control_start(m->control, m->event, m);
	return r < 0 ? err_sys(reterr, r, "cannot serve the control socket") : 0;
}

static void close_all(struct master *m)
{
	control_close(m->control);
	config_watch_stop(&m->config_watch);
	reload_done(m);
	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		generation_free(m->generation[i]);
	listeners_close(&m->inherited);
	sd_event_source_disable_unref(m->tick);
	sd_event_source_disable_unref(m->hangup);
	sd_event_source_disable_unref(m->delay);
	sd_event_source_disable_unref(m->collector);
	sd_event_unref(m->event);
	log_share_level(NULL);
	log_count_drops(NULL);
	stats_report_end();
	shm_close(m->shm);
}

static int serve(struct master *m)
{
	struct err why = { .code = 0 };
	struct conf *c = m->conf;
	int r = prepare(m, &why);

	if (r < 0) {
		log_error("%s", why.text);
		if (!m->current)
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
	log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_EVENT(STOPPED)), "stopped");
	return m->exit_status;
}

int master_run(struct conf *c, const struct master_children *children)
{
	/* Static: a child that inherits this memory can still reach all of it. */
	static struct master m;

	m = (struct master){ .children = children, .conf = c, .started_ms = clock_now_ms() };
	m.calls = (struct master_calls){ .master = &m, .calls = { on_served, on_failed, on_moved, on_closed, on_drained, on_gone } };
	list_init(&m.drain_waiters);
	list_init(&m.undrain_waiters);
	reload_init(&m);
	int status = serve(&m);
	close_all(&m);
	log_close();
	return status;
}
