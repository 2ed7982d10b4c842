/* Reload: read aside, compare, bear, swap.  Master. */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "candidate.h"
#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "master_impl.h"

#define HANDOVER_MS 5000 /* for workers and keeper of the old generation to leave their listeners */

/* --- the end of one ---------------------------------------------------------------------------------------------- */

static void count_result(struct master *m, bool ok)
{
	_Atomic uint64_t *count = ok ? &m->shm->reloads_ok : &m->shm->reloads_failed;

	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(&m->shm->reload_failing, !ok, memory_order_relaxed);
	if (ok)
		atomic_store_explicit(&m->shm->reloaded_wall_ms, clock_wall_ms(), memory_order_relaxed);
}

void reload_note(struct master *m, const char *why)
{
	struct reload *r = &m->reload;

	r->result = why ? "failed" : "ok";
	r->at_wall_ms = clock_wall_ms();
	(void)snprintf(r->error, sizeof(r->error), "%s", why ? why : "");
	count_result(m, !why);
}

static int on_restart(sd_event_source *s, void *user);

/* Whoever came meanwhile gets a reload of their own, from a fresh stack. */
static void start_next(struct master *m)
{
	struct reload *r = &m->reload;

	if (r->again && sd_event_source_set_enabled(r->restart, SD_EVENT_ONESHOT) < 0)
		log_error("a reload that was asked for cannot begin");
}

/* Everything of the attempt is over; told is what its waiters hear, with what has changed. */
static void settle(struct master *m, const struct view_answer *told)
{
	struct reload *r = &m->reload;
	struct conf_errors changed = conf_errors_take(&r->changed);
	struct view_answer a = *told;

	a.changed = &changed;
	r->patience = sd_event_source_disable_unref(r->patience);
	r->next = r->old = NULL;
	conf_free(TAKE(r->held));
	master_answer(&r->waiters, &a);
	conf_errors_free(&changed);
	start_next(m);
}

static void refuse(struct master *m, unsigned status, int exit, const struct conf_errors *errors, const char *why)
{
	struct view_answer a = master_answer_make(m, status, exit, why);

	if (errors)
		a.errors = errors;
	reload_note(m, why);
	log_fields(LOG_LEVEL_ERROR, FIELDS(LF_EVENT(RELOAD_REFUSED)), "reload refused, going on as before: %s", why);
	notify_ready(m);
	settle(m, &a);
}

/* --- one attempt ------------------------------------------------------------------------------------------------- */

static unsigned generations_alive(const struct master *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SHM_GENERATIONS; i++)
		n += m->generation[i] && m->generation[i]->phase != GENERATION_GONE;
	return n;
}

static void bear(struct master *m)
{
	struct reload *r = &m->reload;
	struct err why = { .code = 0 };

	r->patience = sd_event_source_disable_unref(r->patience);
	if (master_bear(m, r->held, &r->next, &why) < 0) {
		refuse(m, 409, EXITCODE_FAILED, NULL, why.text);
		return;
	}
	r->held = NULL;
	generation_start(r->next);
}

static int on_patience(sd_event_source *s, uint64_t usec, void *user)
{
	struct master *m = user;
	char why[160];

	(void)s, (void)usec;
	(void)snprintf(why, sizeof(why), "%u generations still finish their pulls, and [master] max_generations allows no more",
	               generations_alive(m));
	refuse(m, 409, EXITCODE_FAILED, NULL, why);
	return 0;
}

static void bear_when_there_is_room(struct master *m)
{
	struct reload *r = &m->reload;

	if (generations_alive(m) < r->held->master.max_generations) {
		bear(m);
		return;
	}
	log_notice("reload waits: %u generations are alive", generations_alive(m));
	int error = sd_event_add_time_relative(m->event, &r->patience, CLOCK_MONOTONIC, r->held->master.reload_timeout * 1000,
	                                       1000, on_patience, m);
	if (error < 0)
		refuse(m, 409, EXITCODE_FAILED, NULL, strerror(-error));
}

/* The file as it is now, compared.  False: the answer was given. */
static bool read_file(struct master *m, bool dry_run)
{
	struct reload *r = &m->reload;
	struct candidate c;
	const bool good = candidate_read(&c, m->conf) == 0;

	r->held = TAKE(c.conf);
	r->changed = conf_errors_take(&c.changed);
	if (!good && dry_run) {
		struct view_answer a = master_answer_make(m, 422, EXITCODE_CONFIG, c.why);
		a.errors = &c.errors;
		settle(m, &a);
	} else if (!good) {
		refuse(m, 422, EXITCODE_CONFIG, &c.errors, c.why);
	}
	candidate_done(&c);
	return good;
}

static void begin(struct master *m)
{
	notify_reloading();
	if (read_file(m, false))
		bear_when_there_is_room(m);
}

static bool is_running(const struct reload *r)
{
	return r->next || r->held || r->patience || r->old;
}

static void answer_one(struct view_waiter *w, const struct view_answer *a)
{
	if (w)
		w->answer(w, a);
}

static void dry_run(struct master *m, struct view_waiter *w)
{
	struct reload *r = &m->reload;
	struct view_answer a = master_answer_make(m, 200, EXITCODE_OK, "");

	if (w)
		list_append(&r->waiters, &w->node);
	if (read_file(m, true))
		settle(m, &a);
}

void reload_request(struct master *m, bool dry, struct view_waiter *w)
{
	struct reload *r = &m->reload;
	struct view_answer a;

	if (m->state != MASTER_SERVING) {
		a = master_answer_make(m, 409, EXITCODE_FAILED,
		                       m->state == MASTER_DRAINED && !m->stopping
		                               ? "the daemon is drained: no reload, but undrain reads the file, too"
		                               : "the daemon does not serve now: no reload");
		log_warning("%s", a.error);
		answer_one(w, &a);
		return;
	}
	if (dry && is_running(r)) {
		a = master_answer_make(m, 409, EXITCODE_FAILED, "a reload is running: ask again");
		answer_one(w, &a);
		return;
	}
	if (dry) {
		dry_run(m, w);
		return;
	}
	if (w)
		list_append(&r->later, &w->node);
	r->again = true;
	if (!is_running(r))
		start_next(m);
}

static int on_restart(sd_event_source *s, void *user)
{
	struct master *m = user;
	struct reload *r = &m->reload;

	(void)s;
	if (!r->again || is_running(r) || m->state != MASTER_SERVING)
		return 0;
	r->again = false;
	while (!list_empty(&r->later)) {
		struct list *node = r->later.next;
		list_del(node);
		list_append(&r->waiters, node);
	}
	begin(m);
	return 0;
}

/* --- what the generations tell ------------------------------------------------------------------------------------ */

/* Who asked for the reload, or reads of it in the log, may count on it that every connection from now on meets the new
 * configuration. */
static void hand_over(struct master *m)
{
	struct view_answer a = master_answer_make(m, 200, EXITCODE_OK, "");

	log_fields(LOG_LEVEL_NOTICE,
	           FIELDS(LF_EVENT(RELOADED), LF_INT("generation", m->current->number),
	                  LF_INT("changed", m->reload.changed.count)),
	           "reloaded: generation %u serves", m->current->number);
	settle(m, &a);
}

static int on_handover_late(sd_event_source *s, uint64_t usec, void *user)
{
	struct master *m = user;

	(void)s, (void)usec;
	log_warning("generation %u is slow to give up its listeners, and may take a few connections still", m->reload.old->number);
	hand_over(m);
	return 0;
}

void reload_adopt(struct master *m, struct generation *g)
{
	if (g->conf->log.level != m->conf->log.level)
		view_set_log_level(m, g->conf->log.level);
	m->current = g;
	m->conf = g->conf;
	reload_note(m, NULL);
}

bool reload_served(struct master *m, struct generation *g)
{
	struct reload *r = &m->reload;
	struct generation *old = m->current;

	if (g != r->next)
		return false;
	reload_adopt(m, g);
	r->next = NULL;
	r->old = old;
	generation_replace(old);
	if (sd_event_add_time_relative(m->event, &r->patience, CLOCK_MONOTONIC, HANDOVER_MS * 1000, 1000, on_handover_late, m) < 0)
		hand_over(m);
	generation_retire(old, clock_now_ms() + old->conf->master.drain_timeout, false);
	return true;
}

void reload_closed(struct master *m, struct generation *g)
{
	if (g == m->reload.old)
		hand_over(m);
}

bool reload_failed(struct master *m, struct generation *g, int exit, const char *why)
{
	struct reload *r = &m->reload;

	if (g != r->next)
		return false;
	r->next = NULL; /* before the rest: its end is not news */
	generation_give_up(g);
	refuse(m, exit == EXITCODE_CONFIG ? 422 : 409, exit == EXITCODE_CONFIG ? EXITCODE_CONFIG : EXITCODE_FAILED, NULL, why);
	return true;
}

void reload_room(struct master *m)
{
	struct reload *r = &m->reload;

	if (r->held && r->patience && generations_alive(m) < r->held->master.max_generations)
		bear(m);
}

void reload_abort(struct master *m, const char *why)
{
	struct reload *r = &m->reload;
	struct view_answer a = master_answer_make(m, 409, EXITCODE_FAILED, why);
	struct generation *next = r->next;

	if (r->old)
		hand_over(m);
	r->again = false;
	r->next = NULL;
	if (next)
		generation_give_up(next);
	settle(m, &a);
	master_answer(&r->later, &a);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

void reload_init(struct master *m)
{
	m->reload = (struct reload){ .result = "none" };
	list_init(&m->reload.waiters);
	list_init(&m->reload.later);
}

int reload_start(struct master *m)
{
	int r = sd_event_add_defer(m->event, &m->reload.restart, on_restart, m);

	return r < 0 ? r : sd_event_source_set_enabled(m->reload.restart, SD_EVENT_OFF);
}

void reload_view(const struct master *m, struct view_reload *ret)
{
	*ret = (struct view_reload){ .result = m->reload.result, .error = m->reload.error,
		                     .at_wall_ms = m->reload.at_wall_ms };
}

void reload_done(struct master *m)
{
	struct reload *r = &m->reload;

	conf_free(TAKE(r->held));
	conf_errors_free(&r->changed);
	r->patience = sd_event_source_disable_unref(r->patience);
	r->restart = sd_event_source_disable_unref(r->restart);
}
