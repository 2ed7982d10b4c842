/* Undrain: a drained daemon serves again.  Master. */
#include "child.h"
#include "exitcode.h"
#include "log.h"
#include "master_impl.h"

/* A new generation from the file as it is now: there is nothing running that an error in it could spare. */
void undrain_begin(struct master *m, struct view_waiter *w)
{
	struct err why = { .code = 0 };
	struct conf_errors errors;
	struct generation *next;
	struct conf *c;

	if (m->state != MASTER_DRAINED || m->stopping || m->undraining) {
		master_refuse(m, w, m->state == MASTER_SERVING ? "the daemon serves, there is nothing to undo"
		                                        : "only a drained daemon can be undrained");
		return;
	}
	if (conf_load(m->conf->path, &c, &errors) < 0) {
		master_refuse(m, w, errors.count ? errors.line[0] : "the configuration cannot be read");
		conf_errors_free(&errors);
		return;
	}
	if (master_bear(m, c, &next, &why) < 0) {
		conf_free(c);
		master_refuse(m, w, why.text);
		return;
	}
	log_notice("undraining");
	m->undraining = next;
	if (w)
		list_append(&m->undrain_waiters, &w->node);
	generation_start(next);
}

bool undrain_served(struct master *m, struct generation *g)
{
	struct generation *old = m->current;

	if (g != m->undraining)
		return false;
	m->undraining = NULL;
	m->current = g;
	m->conf = g->conf;
	m->state = MASTER_SERVING;
	child_send(&old->keeper, MSG_RETIRE);
	generation_release(old);
	struct view_answer a = master_answer_make(m, 200, EXITCODE_OK, "");
	master_answer(&m->undrain_waiters, &a);
	return true;
}

bool undrain_failed(struct master *m, struct generation *g, const char *why)
{
	if (g != m->undraining)
		return false;
	m->undraining = NULL;
	generation_kill(g);
	log_error("cannot undrain: %s", why);
	struct view_answer a = master_answer_make(m, 409, EXITCODE_FAILED, why);
	master_answer(&m->undrain_waiters, &a);
	return true;
}
