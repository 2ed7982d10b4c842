/* A fetch and the relay's own credentials for its registry: before the queue, and when the registry wants them.  Worker and
 * keeper. */
#include "fetch_impl.h"
#include "login.h"

#define CHALLENGES_MAX 2 /* asked without, asked with an old token; what comes next is new */

/* What came back over another host is not trusted with them. */
static struct grant *grant_of(const struct fetch *f)
{
	return f->strayed ? NULL : f->grant;
}

static void fail(struct fetch *f)
{
	struct fetch_error e;

	fetch_error_set(&e, f->grant->error, "%s", f->grant->detail);
	fetch_fail(f, &e);
}

bool fetch_has_login(struct fetch *f)
{
	struct grant *g = grant_of(f);

	if (!g)
		return true;
	switch (grant_look(g)) {
	case GRANT_READY: return true;
	case GRANT_FAILED: fail(f); return false;
	case GRANT_WAIT: break;
	}
	fetch_drop_conn(f, false);
	list_append(&g->waiting, &f->waiting);
	fetch_set(f, FETCH_LOGIN);
	return false;
}

const char *fetch_show_login(struct fetch *f)
{
	const struct grant *g = grant_of(f);

	f->shown = g ? g->serial : 0;
	return g ? grant_value(g) : NULL;
}

bool fetch_challenged(struct fetch *f)
{
	struct grant *g = grant_of(f);

	if (!g)
		return false;
	if (f->response.head.status != 401) {
		if (f->shown && f->response.head.status < 400)
			login_worked(g->login);
		return false;
	}
	if (f->challenged++ == CHALLENGES_MAX) {
		grant_refused(g);
		fail(f);
	} else if (!grant_challenged(g, f->shown, &f->response.head)) {
		fail(f);
	} else {
		fetch_leave_conn(f);
		f->again_at_ms = loop_now(f->upstream->loop); /* by the timer: not from within the answer */
		fetch_set(f, FETCH_RETRY);
	}
	return true;
}

void fetch_login_late(struct fetch *f, struct fetch_error *e)
{
	fetch_error_set(e, ERROR_LOGIN_TOKEN, "the token server (%.60s) gave none in time",
	                f->grant->at ? f->grant->at->authority : f->key->authority);
}
