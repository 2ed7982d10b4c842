/* Steps of a session that read a request head and refuse what is not one.  Worker. */
#include "session.h"

#include <errno.h>

#include "tls_transport.h"
#include "token.h"

/* --- reading ------------------------------------------------------------------------------------- */

/* 1 = bytes came, 0 = none now, -errno = the client is gone or there is no memory for it. */
static int read_some(struct session *s)
{
	if (!s->client.readable)
		return 0;
	int r = buf_borrow(&s->in, &s->sv->heads);
	if (r < 0)
		return r;
	ssize_t n = transport_read(&s->client, buf_tail(&s->in), buf_room(&s->in));
	if (n == -EAGAIN) {
		if (buf_len(&s->in) == 0)
			buf_return(&s->in, &s->sv->heads);
		return 0;
	}
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	buf_filled(&s->in, (size_t)n);
	stats_add(&s->sv->stats->client_bytes_in, (uint64_t)n);
	s->touched_ms = loop_now(s->sv->loop);
	return 1;
}

/* --- refusing ------------------------------------------------------------------------------------ */

/* h: as far as the head could be read, for the log and because a HEAD is answered without a body; NULL.  What follows it is
 * not read. */
static enum step refuse(struct session *s, const struct http_head *h, enum error_id id, const char *why)
{
	s->rq = request_new(h, loop_now(s->sv->loop));
	if (!s->rq)
		return session_close(s);
	s->rq->close = true;
	request_fail(s->rq, id, sv_str(why));
	return session_answer_error(s);
}

static enum step refuse_counted(struct session *s, _Atomic uint64_t *counter, enum error_id id,
                                const char *why)
{
	stats_add(counter, 1);
	return refuse(s, NULL, id, why);
}

static enum step refuse_read(struct session *s, _Atomic uint64_t *counter, enum error_id id, const char *why)
{
	stats_add(counter, 1);
	return refuse(s, &s->sv->scratch, id, why);
}

static enum step refuse_body(struct session *s)
{
	struct stats_slot *st = s->sv->stats;

	if (s->sv->scratch.framing == HTTP_BODY_CHUNKED)
		return refuse_read(s, &st->rejected_malformed, ERROR_REQUEST_MALFORMED, "a request with a chunked body");
	return refuse_read(s, &st->rejected_too_large, ERROR_REQUEST_BODY, NULL);
}

/* Only a token request has one. */
static bool may_have_body(const struct http_head *h)
{
	return h->framing == HTTP_BODY_NONE || (h->method == HTTP_POST && token_is(h->target));
}

static enum step judge(struct session *s, enum wire_result result)
{
	struct stats_slot *st = s->sv->stats;
	const char *why = s->wire.why;

	switch (result) {
	case WIRE_DONE: return may_have_body(&s->sv->scratch) ? session_begin(s) : refuse_body(s);
	case WIRE_TLS:
		if (tls_is(&s->client)) /* it is no greeting within TLS */
			break;
		return refuse_counted(s, &st->rejected_tls, ERROR_REQUEST_TLS, why);
	case WIRE_LINE_LONG: return refuse_counted(s, &st->rejected_too_large, ERROR_REQUEST_LINE, why);
	case WIRE_HEAD_LONG: return refuse_counted(s, &st->rejected_too_large, ERROR_REQUEST_HEAD, why);
	case WIRE_METHOD: return refuse_read(s, &st->rejected_method, ERROR_REQUEST_UNKNOWN, why);
	case WIRE_VERSION: return refuse_counted(s, &st->rejected_malformed, ERROR_REQUEST_VERSION, why);
	case WIRE_BODY: return refuse_body(s);
	case WIRE_HOST: return refuse_read(s, &st->rejected_malformed, ERROR_REQUEST_MALFORMED, why);
	case WIRE_BAD:
	case WIRE_MORE: break;
	}
	return refuse_counted(s, &st->rejected_malformed, ERROR_REQUEST_MALFORMED, why);
}

enum step expire_head(struct session *s)
{
	return refuse_counted(s, &s->sv->stats->rejected_timeout, ERROR_REQUEST_TIMEOUT, NULL);
}

/* --- the step ------------------------------------------------------------------------------------ */

static enum step wait_for_more(struct session *s)
{
	if (s->state == SESSION_IDLE)
		s->head_by_ms = loop_now(s->sv->loop) + s->sv->conf->listen.head_timeout;
	if (s->state != SESSION_HEAD)
		session_set(s, SESSION_HEAD);
	return buf_room(&s->in) ? STEP_AGAIN : judge(s, WIRE_HEAD_LONG);
}

enum step step_head(struct session *s)
{
	if (!s->unread) {
		int r = read_some(s);
		if (r <= 0)
			return r == 0 ? STEP_WAIT : session_close(s);
	}
	s->unread = false;
	const struct strview bytes = buf_view(&s->in);
	enum wire_result result = wire_feed(&s->wire, bytes.p, bytes.n, &s->sv->scratch);
	return result == WIRE_MORE ? wait_for_more(s) : judge(s, result);
}
