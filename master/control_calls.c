/* What the calls of the control API do.  Master. */
#include "control_calls.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "control_json.h"

/* What a call works with. */
struct asked {
	struct strview body;
	const struct ucred *peer;
	struct view_waiter *waiter;
};

typedef int call_fn(struct master *m, const struct asked *q, struct control_answer *a);

static int run_status(struct master *m, const struct asked *q, struct control_answer *a)
{
	(void)q;
	return control_answer_make(a, 200, NULL, control_json_status(m));
}

static int run_stats(struct master *m, const struct asked *q, struct control_answer *a)
{
	(void)q;
	return control_answer_make(a, 200, NULL, control_json_stats(m));
}

static int run_workers(struct master *m, const struct asked *q, struct control_answer *a)
{
	(void)q;
	return control_answer_make(a, 200, NULL, control_json_workers(m));
}

static int run_pulls(struct master *m, const struct asked *q, struct control_answer *a)
{
	(void)q;
	return control_answer_make(a, 200, NULL, control_json_pulls(m));
}

static int run_version(struct master *m, const struct asked *q, struct control_answer *a)
{
	(void)m, (void)q;
	return control_answer_make(a, 200, NULL, control_json_version());
}

/* {key: bool} or nothing.  False: it is something else. */
static bool read_flag(struct strview body, const char *key, bool *ret)
{
	int flag = 0;

	if (body.n) {
		json_t *root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
		const bool good = root && json_unpack_ex(root, NULL, JSON_STRICT, "{s?b}", key, &flag) == 0;
		json_decref(root);
		if (!good)
			return false;
	}
	*ret = flag != 0;
	return true;
}

static void log_asked(const struct asked *q, const char *what)
{
	log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_INT("uid", q->peer->uid), LF_INT("client_pid", q->peer->pid)),
	           "told through the control socket to %s", what);
}

static int run_stop(struct master *m, const struct asked *q, struct control_answer *a)
{
	bool now;

	if (!read_flag(q->body, "now", &now))
		return control_answer_error(a, 400, NULL, "the body must be {\"now\": true or false}, or empty");
	log_asked(q, now ? "stop now" : "stop, draining");
	int r = control_answer_make(a, 200, NULL, json_pack("{s:s, s:b}", "result", "stopping", "now", (int)now));
	a->hold = r == 0;
	view_stop(m, now);
	return r;
}

static int run_reload(struct master *m, const struct asked *q, struct control_answer *a)
{
	bool dry_run;

	if (!read_flag(q->body, "dry_run", &dry_run))
		return control_answer_error(a, 400, NULL, "the body must be {\"dry_run\": true or false}, or empty");
	if (!dry_run)
		log_asked(q, "reload");
	view_reload(m, dry_run, q->waiter);
	return CONTROL_LATER;
}

static int run_drain(struct master *m, const struct asked *q, struct control_answer *a)
{
	bool wait;

	if (!read_flag(q->body, "wait", &wait))
		return control_answer_error(a, 400, NULL, "the body must be {\"wait\": true or false}, or empty");
	log_asked(q, "drain");
	const char *refused = view_drain(m, wait ? q->waiter : NULL);
	if (wait)
		return CONTROL_LATER;
	return refused ? control_answer_error(a, 409, NULL, refused)
	               : control_answer_make(a, 200, NULL, json_pack("{s:s}", "result", "draining"));
}

static int run_undrain(struct master *m, const struct asked *q, struct control_answer *a)
{
	(void)a;
	log_asked(q, "undrain");
	view_undrain(m, q->waiter);
	return CONTROL_LATER;
}

static int run_config(struct master *m, const struct asked *q, struct control_answer *a)
{
	(void)q;
	return control_answer_make(a, 200, NULL, control_json_config(m));
}

static int run_log_level(struct master *m, const struct asked *q, struct control_answer *a)
{
	json_t *root = json_loadb(q->body.p, q->body.n, JSON_REJECT_DUPLICATES, NULL);
	const char *word = json_string_value(json_object_get(root, "level"));
	enum log_level level;
	int r = word ? log_level_parse(sv_str(word), &level) : -EINVAL;

	json_decref(root);
	if (r < 0)
		return control_answer_error(a, 400, NULL,
		                            "the body must be {\"level\": \"debug, info, notice, warning or error\"}");
	log_asked(q, "change the log level");
	view_set_log_level(m, level);
	return control_answer_make(a, 200, NULL, json_pack("{s:s}", "level", log_level_name(view_log_level(m))));
}

int control_calls_doctor(struct master *m, int fd, const struct ucred *peer, struct control_answer *a)
{
	const struct asked q = { .peer = peer };
	int r = view_doctor(m, fd);

	if (r == 0) {
		log_asked(&q, "run the doctor");
		return CONTROL_LATER;
	}
	log_warning("cannot hand a client to the keeper: %s", strerror(-r));
	return control_answer_error(a, 409, NULL, "the keeper, which is the doctor, is not there now: try again in a moment");
}

static call_fn *const calls[CONTROL_CALLS] = {
	[CONTROL_STATUS] = run_status,
	[CONTROL_STATS] = run_stats,
	[CONTROL_WORKERS] = run_workers,
	[CONTROL_PULLS] = run_pulls,
	[CONTROL_VERSION] = run_version,
	[CONTROL_STOP] = run_stop,
	[CONTROL_RELOAD] = run_reload,
	[CONTROL_DRAIN] = run_drain,
	[CONTROL_UNDRAIN] = run_undrain,
	[CONTROL_CONFIG] = run_config,
	[CONTROL_LOG_LEVEL] = run_log_level,
};

int control_calls_run(struct master *m, enum control_call call, struct strview body, const struct ucred *peer,
                      struct view_waiter *w, struct control_answer *a)
{
	const struct asked q = { .body = body, .peer = peer, .waiter = w };

	assert(call < CONTROL_CALLS && calls[call]);
	return calls[call](m, &q, a);
}

int control_calls_last_line(const struct view_answer *done, struct control_answer *a)
{
	return control_answer_line(a, control_json_done(done));
}

int control_calls_answer(const struct view_answer *done, struct control_answer *a)
{
	return control_answer_make(a, done->status, NULL, control_json_done(done));
}
