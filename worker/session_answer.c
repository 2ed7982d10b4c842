/* Steps of a session that fetch an answer and bring it to the client.  Worker. */
#include "session.h"

#include <errno.h>
#include <stdio.h>

#include "access.h"
#include "answer_head.h"
#include "clock.h"
#include "live.h"
#include "reply.h"
#include "tls_transport.h"

#define MOVE_MAX (256 * 1024) /* body bytes a turn; then others come first */

/* --- the beginning ------------------------------------------------------------------------------- */

static void count_refusal(struct session *s)
{
	struct stats_slot *st = s->sv->stats;

	switch (s->rq->error) {
	case ERROR_REQUEST_METHOD: stats_add(&st->rejected_method, 1); break;
	case ERROR_REQUEST_LINE: stats_add(&st->rejected_too_large, 1); break;
	case ERROR_REQUEST_MALFORMED:
	case ERROR_REQUEST_EXPECT: stats_add(&st->rejected_malformed, 1); break;
	default: stats_add(&st->rejected_path, 1); break;
	}
}

static void on_source(struct source *source)
{
	session_run(source->owner);
}

enum step session_begin(struct session *s)
{
	struct service *sv = s->sv;

	s->rq = request_new(&sv->scratch, loop_now(sv->loop));
	if (!s->rq)
		return session_close(s);
	if (!request_admit(s->rq, sv->conf, &sv->scratch)) {
		count_refusal(s);
		return session_answer_error(s);
	}
	live_begin(s);
	if (s->rq->method != HTTP_POST)
		return session_fetch(s);
	if (form_begin(&s->rq->form, &sv->scratch) == 0)
		return session_read_form(s);
	stats_add(&sv->stats->rejected_too_large, 1);
	request_fail(s->rq, ERROR_REQUEST_BODY, SV_NONE);
	return session_answer_error(s);
}

enum step session_fetch(struct session *s)
{
	struct service *sv = s->sv;
	struct fetch_request ask;
	UNCLEARED struct err why;

	request_for_fetch(s->rq, &ask);
	s->source = fetch_start(sv->upstream, &ask, on_source, &why);
	if (!s->source) {
		request_fail(s->rq, ERROR_OVERLOADED, SV("no memory"));
		return session_answer_error(s);
	}
	s->source->owner = s;
	session_set(s, SESSION_SOURCE);
	return STEP_AGAIN;
}

/* A request counts once, before its head is written, so that whoever has an answer finds it counted. */
static void count_request(struct session *s)
{
	struct request *rq = s->rq;

	rq->head_ms = loop_now(s->sv->loop);
	_Atomic uint64_t(*table)[STATS_CODE_COUNT] = s->sv->stats->requests[rq->route.kind];
	stats_add(&table[request_stats_method(rq)][stats_code_of(rq->status)], 1);
}

/* --- own answers --------------------------------------------------------------------------------- */

enum step session_answer_error(struct session *s)
{
	struct request *rq = s->rq;

	if (buf_borrow(&s->out, &s->sv->answers) < 0)
		return session_close(s);
	rq->close |= s->sv->draining;
	const struct reply r = {
		.id = rq->error,
		.text = sv_str(rq->error_text),
		.request_id = sv_str(rq->id),
		.wall_ms = clock_wall_ms(),
		.head = rq->method == HTTP_HEAD,
		.close = rq->close,
		.as_ok = rq->deaf_ping && error_row(rq->error)->status >= 500,
	};
	size_t body;
	if (!reply_put(&s->out, &r, &body))
		return session_close(s);
	rq->body_bytes = body;
	rq->status = reply_status(&r);
	if (rq->error != ERROR_REQUEST_TLS)
		count_request(s);
	access_error(s);
	client_body_begin(&s->body, false);
	return session_finish(s);
}

/* --- the upstream's answer ----------------------------------------------------------------------- */

static enum step answer_failure(struct session *s)
{
	s->rq->error = s->source->failure.id;
	(void)sv_copy(s->rq->error_text, sizeof(s->rq->error_text), sv_str(s->source->failure.text));
	session_drop_source(s);
	return session_answer_error(s);
}

static enum step answer_unusable(struct session *s, enum error_id id, struct strview detail)
{
	request_fail(s->rq, id, detail);
	session_drop_source(s);
	buf_clear(&s->out);
	return session_answer_error(s);
}

static bool is_json(const struct http_head *h)
{
	struct strview rest = http_head_value(h, SV("Content-Type")), type = SV_NONE;

	return sv_cut(&rest, ';', &type) && sv_eq_nocase(sv_trim(type), SV("application/json"));
}

/* A token server gives a token in JSON, or says no: a refusal goes on with its status, which tells clients whether to ask
 * otherwise, and without a body that is no JSON.  Anything else is no token server's. */
static bool token_usable(const struct http_head *h, struct answer *a)
{
	a->empty = !is_json(h);
	return h->status >= 400 || (h->status / 100 == 2 && !a->empty);
}

static enum step answer_no_token(struct session *s)
{
	const struct http_head *h = s->source->head;
	char detail[64];

	(void)snprintf(detail, sizeof(detail), "%u%s", h->status,
	               h->status / 100 == 3 ? " (a redirect)" : " and no JSON");
	return answer_unusable(s, ERROR_TOKEN_ANSWER, sv_str(detail));
}

static enum step answer_begin(struct session *s)
{
	struct request *rq = s->rq;

	if (buf_borrow(&s->out, &s->sv->answers) < 0)
		return session_close(s);
	struct answer a = {
		.head = s->source->head,
		.framing = s->source->framing,
		.length = s->source->length,
		.to_head = rq->method == HTTP_HEAD,
		.minor = rq->minor,
		.route = &rq->route,
		.host = rq->host,
		.tls = tls_is(&s->client),
		.request_id = sv_str(rq->id),
		.wall_ms = clock_wall_ms(),
	};
	if (rq->route.kind == ROUTE_TOKEN && !token_usable(a.head, &a))
		return answer_no_token(s);
	rq->close |= s->sv->draining || answer_framing(&a) == ANSWER_CLOSE;
	a.close = rq->close;
	if (!answer_head_put(&s->out, &a) || buf_room(&s->out) < CLIENT_BODY_ROOM)
		return answer_unusable(s, ERROR_UPSTREAM_MALFORMED, SV("its head is too large"));
	rq->status = a.head->status;
	count_request(s);
	live_head(s);
	client_body_begin(&s->body, answer_framing(&a) == ANSWER_CHUNKED);
	if (!a.empty)
		return step_move(s);
	session_drop_source(s);
	return session_finish(s);
}

enum step step_source(struct session *s)
{
	switch (s->source->state) {
	case SOURCE_HEAD: return answer_begin(s);
	case SOURCE_FAILED: return answer_failure(s);
	case SOURCE_WAITING: break;
	}
	return STEP_WAIT;
}

/* The source has deadlines of its own; this one says that they failed.  Unless the answer, or why there is none, has come in this
 * very turn, of a process that stood still: the source tells after the deadlines. */
enum step expire_source(struct session *s)
{
	if (s->source->state != SOURCE_WAITING)
		return STEP_AGAIN;
	return answer_unusable(s, ERROR_UPSTREAM_TIMEOUT, SV("the time allowed"));
}

/* --- the body ------------------------------------------------------------------------------------ */

static enum step wait_for_client(struct session *s)
{
	session_set(s, SESSION_SEND);
	/* Taken in part, and the socket has not said "full" yet: only after that it tells of room. */
	return s->client.writable ? STEP_YIELD : STEP_WAIT;
}

/* Nothing to move now: what was gathered leaves before we wait. */
static enum step wait_for_source(struct session *s)
{
	int r = client_body_flush(&s->body);

	if (r == -EAGAIN)
		return wait_for_client(s);
	if (r < 0)
		return session_client_lost(s, r);
	session_client_kept_up(s);
	session_set(s, SESSION_MOVE);
	return STEP_WAIT;
}

/* What came is the client's; that it is not all shows by the reset. */
static enum step broken_off(struct session *s)
{
	s->rq->error = s->source->failure.id;
	(void)sv_copy(s->rq->error_text, sizeof(s->rq->error_text), sv_str(s->source->failure.text));
	int r = client_body_flush(&s->body);
	return r == 0 || r == -EAGAIN ? session_abort(s, request_end_of(s->rq->error)) : session_client_lost(s, r);
}

enum step step_move(struct session *s)
{
	size_t moved = 0;
	int error = 0;
	enum move_result r = source_move(s->source, &s->body.sink, MOVE_MAX, &moved, &error);

	s->rq->body_bytes += moved;
	switch (r) {
	case MOVE_SOME: session_set(s, SESSION_MOVE); return STEP_YIELD;
	case MOVE_WAIT_SOURCE: return wait_for_source(s);
	case MOVE_WAIT_SINK: return wait_for_client(s);
	case MOVE_CUT: return broken_off(s);
	case MOVE_SINK_FAILED: return session_client_lost(s, -error);
	case MOVE_END: break;
	}
	if (!client_body_end(&s->body)) {
		request_fail(s->rq, ERROR_UPSTREAM_CHANGED, SV("the whole is shorter than what came before"));
		return session_abort(s, REQUEST_UPSTREAM_CHANGED);
	}
	session_drop_source(s);
	return session_finish(s);
}

/* What is encrypted for it leaves first.  Its socket counts as writable whenever it says something, so that one that takes
 * nothing would be fetched for again and again. */
static int send_kept(struct session *s)
{
	return tls_is(&s->client) && tls_kept(&s->client) ? (int)transport_writev(&s->client, NULL, 0) : 0;
}

enum step step_send(struct session *s)
{
	if (!s->client.writable)
		return STEP_WAIT;
	const int r = send_kept(s);
	if (r == -EAGAIN)
		return wait_for_client(s);
	return r < 0 ? session_client_lost(s, r) : step_move(s);
}

enum step expire_move(struct session *s)
{
	if (session_source_is_due_later(s))
		return STEP_WAIT;
	request_fail(s->rq, ERROR_UPSTREAM_TIMEOUT, SV("the time allowed"));
	return session_abort(s, REQUEST_UPSTREAM_STALLED);
}

/* --- the end ------------------------------------------------------------------------------------- */

static enum step next_request(struct session *s)
{
	const size_t head_bytes = s->rq->head_bytes;
	const bool over = s->rq->close;

	session_client_kept_up(s);
	access_line(s);
	live_end(s);
	request_free(s->rq);
	s->rq = NULL;
	buf_return(&s->out, &s->sv->answers);
	s->touched_ms = loop_now(s->sv->loop);
	if (over)
		return session_linger(s);
	buf_consume(&s->in, head_bytes);
	buf_compact(&s->in);
	s->unread = buf_len(&s->in) > 0;
	if (!s->unread)
		buf_return(&s->in, &s->sv->heads);
	wire_init_request(&s->wire, &s->sv->limits, true);
	session_set(s, SESSION_IDLE);
	return STEP_AGAIN;
}

enum step session_finish(struct session *s)
{
	int r = client_body_flush(&s->body);

	if (r == 0)
		return next_request(s);
	if (r != -EAGAIN)
		return session_client_lost(s, r);
	session_set(s, SESSION_FLUSH);
	return STEP_WAIT;
}

enum step step_flush(struct session *s)
{
	return s->client.writable ? session_finish(s) : STEP_WAIT;
}
