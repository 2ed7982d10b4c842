/* What the calls of the control API do.  Master. */
#include "control_calls.h"

#include <assert.h>

#include "control_json.h"

typedef int call_fn(struct master *m, struct strview body, const struct ucred *peer, struct control_answer *a);

static int run_status(struct master *m, struct strview body, const struct ucred *peer, struct control_answer *a)
{
	(void)body, (void)peer;
	return control_answer_make(a, 200, NULL, control_json_status(m));
}

static int run_stats(struct master *m, struct strview body, const struct ucred *peer, struct control_answer *a)
{
	(void)body, (void)peer;
	return control_answer_make(a, 200, NULL, control_json_stats(m));
}

static int run_workers(struct master *m, struct strview body, const struct ucred *peer, struct control_answer *a)
{
	(void)body, (void)peer;
	return control_answer_make(a, 200, NULL, control_json_workers(m));
}

static int run_version(struct master *m, struct strview body, const struct ucred *peer, struct control_answer *a)
{
	(void)m, (void)body, (void)peer;
	return control_answer_make(a, 200, NULL, control_json_version());
}

/* {"now": bool} or nothing.  False: it is something else. */
static bool read_stop(struct strview body, bool *ret_now)
{
	int now = 0;

	if (body.n) {
		json_t *root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
		const bool good = root && json_unpack_ex(root, NULL, JSON_STRICT, "{s?b}", "now", &now) == 0;
		json_decref(root);
		if (!good)
			return false;
	}
	*ret_now = now != 0;
	return true;
}

static int run_stop(struct master *m, struct strview body, const struct ucred *peer, struct control_answer *a)
{
	bool now;

	if (!read_stop(body, &now))
		return control_answer_error(a, 400, NULL, "the body must be {\"now\": true or false}, or empty");
	log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_INT("uid", peer->uid), LF_INT("client_pid", peer->pid)), "%s",
	           now ? "told to stop now through the control socket" : "told to stop through the control socket, draining");
	int r = control_answer_make(a, 200, NULL, json_pack("{s:s, s:b}", "result", "stopping", "now", (int)now));
	a->hold = r == 0;
	view_stop(m, now);
	return r;
}

static call_fn *const calls[CONTROL_CALLS] = {
	[CONTROL_STATUS] = run_status,
	[CONTROL_STATS] = run_stats,
	[CONTROL_WORKERS] = run_workers,
	[CONTROL_VERSION] = run_version,
	[CONTROL_STOP] = run_stop,
};

int control_calls_run(struct master *m, enum control_call call, struct strview body, const struct ucred *peer,
                      struct control_answer *a)
{
	assert(call < CONTROL_CALLS && calls[call]);
	return calls[call](m, body, peer, a);
}
