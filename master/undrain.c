/* Undrain: a drained daemon serves again, with the file as it is now.  Master.  There is nothing running that an error in it
 * could spare, but it stays drained then. */
#include "candidate.h"
#include "exitcode.h"
#include "log.h"
#include "master_impl.h"

static void answer_all(struct master *m, struct view_answer *a)
{
	struct conf_errors changed = conf_errors_take(&m->undrain_changed);

	a->changed = &changed;
	m->undraining = NULL;
	master_answer(&m->undrain_waiters, a);
	conf_errors_free(&changed);
}

static void refuse(struct master *m, bool config, const struct conf_errors *errors, const char *why)
{
	struct view_answer a = master_answer_make(m, config ? 422 : 409, config ? EXITCODE_CONFIG : EXITCODE_FAILED, why);

	if (errors)
		a.errors = errors;
	reload_note(m, why);
	log_fields(LOG_LEVEL_ERROR, FIELDS(LF_EVENT(RELOAD_REFUSED)), "undrain refused, staying drained: %s", why);
	answer_all(m, &a);
}

void undrain_begin(struct master *m, struct view_waiter *w)
{
	struct err why = { .code = 0 };
	struct candidate c;

	if (m->state != MASTER_DRAINED || m->stopping || m->undraining) {
		master_refuse(m, w, m->state == MASTER_SERVING ? "the daemon serves, there is nothing to undo"
		                                        : "only a drained daemon can be undrained");
		return;
	}
	if (w)
		list_append(&m->undrain_waiters, &w->node);
	const bool good = candidate_read(&c, m->conf) == 0;
	m->undrain_changed = conf_errors_take(&c.changed);
	if (!good) {
		refuse(m, true, &c.errors, c.why);
	} else if (master_bear(m, c.conf, &m->undraining, &why) < 0) {
		refuse(m, false, NULL, why.text);
	} else {
		c.conf = NULL;
		log_notice("undraining");
		generation_start(m->undraining);
	}
	candidate_done(&c);
}

bool undrain_served(struct master *m, struct generation *g)
{
	struct generation *old = m->current;

	if (g != m->undraining)
		return false;
	reload_adopt(m, g);
	m->undraining = NULL;
	m->state = MASTER_SERVING;
	generation_replace(old);
	generation_release(old);
	return true;
}

void undrain_answer(struct master *m)
{
	struct view_answer a = master_answer_make(m, 200, EXITCODE_OK, "");

	answer_all(m, &a);
}

bool undrain_failed(struct master *m, struct generation *g, int exit, const char *why)
{
	if (g != m->undraining)
		return false;
	m->undraining = NULL; /* before the rest: its end is not news */
	generation_give_up(g);
	refuse(m, exit == EXITCODE_CONFIG, NULL, why);
	return true;
}

void undrain_abort(struct master *m, const char *why)
{
	struct view_answer a = master_answer_make(m, 409, EXITCODE_FAILED, why);
	struct generation *g = m->undraining;

	answer_all(m, &a);
	if (g)
		generation_give_up(g);
}
