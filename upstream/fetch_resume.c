/* Bodies that break off and are gone on with, and clients that take nothing: the upstream is let go, and asked again from
 * the exact byte on.  Worker and keeper. */
#include "fetch_impl.h"

#include <inttypes.h>
#include <stdio.h>

#include "path_shares.h"

/* What is asked for at a time once a client has stalled: so much at most is on its way when it stalls again.  The least is
 * what our receive buffer holds, so that the upstream need not wait for the client at all. */
#define PIECE_MAX (4 * 1024 * 1024)
#define PIECE_MIN (256 * 1024)
/* A client that takes less in stall_grace is slow: our receive buffer and the upstream's send buffer, which count room only
 * in large steps, would make the upstream wait for too long. */
#define SLOW_BYTES (1024 * 1024)

/* --- what is known --------------------------------------------------------------------------------------- */

void fetch_resume_learn(struct fetch *f)
{
	const struct http_head *h = &f->response.head;
	struct resume *r = &f->resume;

	r->possible = f->rq.method == HTTP_GET && f->rq.route != ROUTE_TOKEN && f->pool->proxy->resume_timeout > 0
	              && range_begin(&r->range, h) && validator_learn(&r->validator, f->first_path, h);
	r->until = RANGE_UNKNOWN;
	r->ranges_ignored = sv_eq_nocase(http_head_value(h, SV("Accept-Ranges")), SV("none"));
	r->progress_ms = r->answer_ms = loop_now(f->upstream->loop);
	r->answer_at = r->range.next;
}

bool fetch_resume_passes(enum error_id id)
{
	switch (id) {
	case ERROR_PROXY_NAME: case ERROR_PROXY_UNREACHABLE: case ERROR_PROXY_TIMEOUT: case ERROR_TUNNEL_DOWN:
	case ERROR_TUNNEL_TIMEOUT: case ERROR_MAPPING_MISSING: case ERROR_PATH_DENIED: case ERROR_PROXY_TOKEN_MISSING:
	case ERROR_PROXY_TOKEN_REFUSED: case ERROR_BACKEND_UNREACHABLE: case ERROR_PATH_SHARES:
	case ERROR_UPSTREAM_TIMEOUT: case ERROR_UPSTREAM_CLOSED: case ERROR_UPSTREAM_ERROR: case ERROR_NOT_A_REGISTRY:
	case ERROR_OVERLOADED: case ERROR_REDIRECT_REFUSED: case ERROR_LOGIN_TOKEN:
	case ERROR_REGISTRY_NAME: case ERROR_REGISTRY_UNREACHABLE: case ERROR_REGISTRY_TIMEOUT:
	case ERROR_CONNECT_REFUSED: case ERROR_SOCKS_REFUSED: case ERROR_PROXY_MALFORMED:
	case ERROR_PROXY_CREDENTIALS_REFUSED: case ERROR_TLS: return true;
	default: return false;
	}
}

static void say(const struct fetch *f, enum log_level level, const char *what, const char *detail)
{
	const struct range *r = &f->resume.range;
	char total[32] = "?";

	if (r->total != RANGE_UNKNOWN)
		(void)snprintf(total, sizeof(total), "%" PRIu64, r->total);
	log_fields(level,
	           FIELDS(LF_SV("request_id", f->rq.id), LF_STR("upstream", f->pool->proxy->name),
	                  LF_INT("offset", r->next), LF_INT("attempt", f->resume.failed)),
	           "%s at byte %" PRIu64 " of %s of %s%s%s", what, r->next, total, f->key->authority, detail[0] ? ": " : "",
	           detail);
}

/* --- attempts -------------------------------------------------------------------------------------------- */

static uint64_t give_up_at_ms(const struct fetch *f)
{
	return f->resume.progress_ms + f->pool->proxy->resume_timeout;
}

/* After a pause.  False: the time is up. */
static bool try_later(struct fetch *f)
{
	struct resume *r = &f->resume;
	const uint64_t now = loop_now(f->upstream->loop);
	const uint64_t pause = retry_resume_pause_ms(++r->failed, (unsigned)upstream_random(f->upstream, 1000));

	if (now + pause >= give_up_at_ms(f))
		return false;
	f->again_at_ms = now + pause;
	fetch_set(f, FETCH_RESUME);
	return true;
}

static void try_now(struct fetch *f, enum resume_cause cause)
{
	f->resume.cause = cause;
	f->resume.under_way = true;
	f->resume.failed = 0;
	f->again_at_ms = loop_now(f->upstream->loop); /* by the timer: not from within the session's call */
	fetch_set(f, FETCH_RESUME);
}

static void give_up(struct fetch *f)
{
	stats_add(&f->upstream->heritage->stats->resumes_failed, 1);
	fetch_cut(f, f->last.id, f->last.detail);
}

/* It has been for this whole answer, as far as there was something to take. */
static bool client_is_slow(const struct fetch *f)
{
	const struct resume *r = &f->resume;
	const uint64_t grace = f->pool->proxy->stall_grace, took = loop_now(f->upstream->loop) - r->answer_ms;

	return grace > 0 && took >= grace && (r->range.next - r->answer_at) / SLOW_BYTES < took / grace;
}

bool fetch_broke_off(struct fetch *f, enum resume_cause cause, enum error_id id, const char *detail)
{
	struct resume *r = &f->resume;

	fetch_drop_conn(f, true);
	fetch_error_set(&f->last, id, "%s", detail);
	if (!r->possible) {
		fetch_cut(f, id, detail);
		return false;
	}
	r->cause = cause;
	r->under_way = true;
	if (r->held && client_is_slow(f))
		r->piece = PIECE_MIN; /* broken off because of that */
	if (!try_later(f)) {
		give_up(f);
		return false;
	}
	stats_add(&f->pool->stats->errors[error_row(id)->reason], 1); /* a cut that is given up is counted there */
	say(f, LOG_LEVEL_NOTICE, "a body broke off", detail);
	return true;
}

void fetch_next_piece(struct fetch *f)
{
	if (f->body.exact && f->response.head.keep_alive)
		fetch_give_back(f);
	else
		fetch_drop_conn(f, true);
	if (f->resume.piece && !client_is_slow(f))
		f->resume.piece += f->resume.piece / 8;
	if (f->resume.piece > PIECE_MAX)
		f->resume.piece = PIECE_MAX;
	try_now(f, RESUME_PIECE);
}

/* Our Range takes the place of what the client had asked and made conditional. */
static void ask_for_range(struct fetch *f)
{
	static const struct strview replaced[] = {
		{ "Range", 5 }, { "If-Range", 8 }, { "If-Match", 8 }, { "If-None-Match", 13 },
		{ "If-Modified-Since", 17 }, { "If-Unmodified-Since", 19 },
	};
	struct resume *r = &f->resume;
	const char *if_range = validator_if_range(&r->validator);
	unsigned n = 0;

	if (r->asked)
		return;
	for (unsigned i = 0; i < f->rq.fields; i++) {
		bool stays = true;
		for (size_t k = 0; k < ARRAY_LEN(replaced); k++)
			stays = stays && !sv_eq_nocase(f->field[i].name, replaced[k]);
		if (stays)
			f->field[n++] = f->field[i];
	}
	if (if_range[0])
		f->field[n++] = (struct http_field){ SV("If-Range"), sv_str(if_range) };
	f->field[n++] = (struct http_field){ SV("Range"), SV_NONE };
	f->rq.fields = n;
	r->asked = true;
}

void fetch_resume_attempt(struct fetch *f)
{
	struct resume *r = &f->resume;
	const uint64_t now = loop_now(f->upstream->loop), end = give_up_at_ms(f);
	const uint64_t until = end > now ? end : now; /* a process that stood still may be late */
	const uint64_t answer_by = now + f->pool->proxy->stall_timeout; /* silence is a stall here, too */

	f->budget_from_ms = now;
	f->budget_at_ms = answer_by < until ? answer_by : until;
	f->patience_at_ms = now + (f->budget_at_ms - now) / 2;
	if (until > now)
		f->last.id = ERROR_NONE; /* why the body broke off is not why this attempt fails */
	f->refused = f->challenged = 0; /* what was shown may have expired since */
	fetch_begin_anew(f); /* what the registry redirects to is signed for a short time */
	ask_for_range(f);
	range_text(&r->range, r->piece ? r->piece : RANGE_UNKNOWN, r->text);
	f->field[f->rq.fields - 1].value = sv_str(r->text);
	/* Not past the queue, nor past what is idle, when nothing was wrong. */
	f->waiter.fresh = r->failed > 0;
	fetch_queue(f);
}

void fetch_resume_failed(struct fetch *f, const struct fetch_error *e, bool passing)
{
	fetch_drop_conn(f, true);
	pool_leave(f->pool, &f->waiter);
	list_del(&f->waiting);
	f->last = *e;
	if (passing && try_later(f)) {
		if (!f->facts.reused) /* of a pooled one it is nothing new */
			fetch_count_failure(f, e->id);
		say(f, LOG_LEVEL_DEBUG, "an attempt to resume failed", e->detail);
		return;
	}
	give_up(f);
	fetch_tell(f);
}

/* --- the answer ------------------------------------------------------------------------------------------ */

static void refuse(struct fetch *f, enum error_id id, const char *detail)
{
	struct fetch_error e;

	fetch_error_set(&e, id, "%s", detail);
	fetch_resume_failed(f, &e, false);
}

/* A status that brings no bytes; the registry's own, or it would have been judged before. */
static void refused_by_status(struct fetch *f)
{
	const unsigned status = f->response.head.status;
	struct fetch_error e = { .id = ERROR_UPSTREAM_ERROR };

	classify_detail(&f->response.head, SV_NONE, e.detail);
	fetch_resume_failed(f, &e, status >= 500 || status == 408 || status == 429);
}

static _Atomic uint64_t *counter(struct stats_slot *s, enum resume_cause cause)
{
	switch (cause) {
	case RESUME_RESET: return &s->resumes_reset;
	case RESUME_STALL: return &s->resumes_stall;
	case RESUME_CLIENT: return &s->resumes_client;
	default: return &s->resumes_closed;
	}
}

static void count_resume(struct fetch *f)
{
	struct resume *r = &f->resume;

	stats_set(&f->pool->stats->last_success_ms, loop_now(f->upstream->loop));
	path_seen_good(f->upstream, f->key);
	if (r->cause == RESUME_PIECE && r->failed == 0)
		return;
	stats_add(counter(f->upstream->heritage->stats, r->cause), 1);
	f->facts.resumes++;
	f->facts.resumed_at = r->range.next;
	say(f, LOG_LEVEL_DEBUG, "a body goes on", f->response.head.status == 206 ? "" : "no range of it came");
}

/* The session's move: bytes, or the news that there are none, come as before.  Should the client take nothing, the upstream
 * does not wait for it. */
static void go_on(struct fetch *f)
{
	count_resume(f);
	f->resume.under_way = f->resume.held = false;
	fetch_set(f, f->conn ? FETCH_BODY_FULL : FETCH_BODY);
	fetch_tell(f);
}

void fetch_resume_head(struct fetch *f)
{
	const struct http_head *h = &f->response.head;
	struct resume *r = &f->resume;
	struct range_answer a;

	if (h->status != 200 && h->status != 206 && h->status != 416) {
		refused_by_status(f);
		return;
	}
	if (h->status != 416 && !validator_same(&r->validator, h)) {
		refuse(f, ERROR_UPSTREAM_CHANGED, "what comes now is not what was being sent");
		return;
	}
	switch (range_judge(&r->range, h, &a)) {
	case RANGE_ANOTHER:
		refuse(f, ERROR_UPSTREAM_CHANGED, a.why);
		return;
	case RANGE_COMPLETE:
		r->skip = 0; /* an answer that was to be skipped may have broken off before */
		fetch_drop_conn(f, true);
		break;
	case RANGE_GOES_ON:
		r->skip = a.skip;
		r->answer_ms = loop_now(f->upstream->loop);
		r->answer_at = r->range.next;
		r->until = a.until;
		r->ranges_ignored |= h->status == 200;
		buf_consume(&f->conn->in, h->bytes);
		break;
	}
	go_on(f);
}

/* --- a client that takes nothing -------------------------------------------------------------------------- */

/* Something of the upstream's waits for the client, and to ask again costs less than to wait. */
static bool may_park(const struct fetch *f)
{
	return f->resume.possible && !f->resume.ranges_ignored && !body_is_here(&f->body, f->conn);
}

static void park(struct fetch *f, uint64_t piece)
{
	struct resume *r = &f->resume;

	fetch_drop_conn(f, true);
	r->piece = piece;
	f->facts.parks++;
	stats_add(&f->upstream->heritage->stats->parks, 1);
	say(f, LOG_LEVEL_DEBUG, "the client takes nothing, or little", "its upstream connection is closed until it does");
	fetch_set(f, FETCH_PARKED);
	fetch_tell(f);
}

void fetch_park(struct fetch *f)
{
	const uint64_t half = f->resume.piece / 2;

	if (may_park(f))
		park(f, half == 0 ? PIECE_MAX : half > PIECE_MIN ? half : PIECE_MIN);
	else
		fetch_set(f, FETCH_BODY);
}

bool fetch_park_slow(struct fetch *f)
{
	if (f->resume.piece || !client_is_slow(f) || !may_park(f))
		return false;
	park(f, PIECE_MIN);
	return true;
}

void fetch_unpark(struct fetch *f)
{
	f->resume.progress_ms = loop_now(f->upstream->loop); /* the time was the client's */
	try_now(f, RESUME_CLIENT);
}
