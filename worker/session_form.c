/* Steps of a session that read the form of a token request.  Worker. */
#include "session.h"

#include <errno.h>

static enum step refuse(struct session *s, enum error_id id, const char *why)
{
	struct stats_slot *st = s->sv->stats;

	stats_add(id == ERROR_REQUEST_BODY ? &st->rejected_too_large : &st->rejected_malformed, 1);
	request_fail(s->rq, id, sv_str(why));
	return session_answer_error(s);
}

/* A client that waits for leave to send its body gets it; one that has begun needs none (RFC 9110 10.1.1). */
static bool invite(struct session *s)
{
	static const struct strview go_on = SV("HTTP/1.1 100 Continue\r\n\r\n");

	if (!s->rq->expects || buf_len(&s->in) > s->rq->head_bytes)
		return true;
	return transport_write(&s->client, go_on.p, go_on.n) == (ssize_t)go_on.n;
}

static enum step form_over(struct session *s)
{
	if (!request_take_form(s->rq))
		return refuse(s, ERROR_TOKEN_REQUEST, s->rq->form.why);
	return session_fetch(s);
}

static enum step take(struct session *s, struct strview bytes)
{
	int r = form_feed(&s->rq->form, bytes);

	switch (r) {
	case FORM_MORE: return STEP_AGAIN;
	case FORM_WHOLE: return form_over(s);
	case -EMSGSIZE: return refuse(s, ERROR_REQUEST_BODY, "");
	case -EBADMSG: return refuse(s, ERROR_REQUEST_MALFORMED, s->rq->form.why);
	default: return session_close(s);
	}
}

enum step session_read_form(struct session *s)
{
	struct strview after_head = sv_from(buf_view(&s->in), s->rq->head_bytes);

	if (!invite(s))
		return session_close(s);
	session_set(s, SESSION_FORM);
	return take(s, after_head);
}

enum step step_form(struct session *s)
{
	char bytes[8192];

	if (!s->client.readable)
		return STEP_WAIT;
	ssize_t n = transport_read(&s->client, bytes, sizeof(bytes));
	if (n == -EAGAIN)
		return STEP_WAIT;
	if (n <= 0)
		return session_abort(s, REQUEST_CLIENT_CLOSED);
	stats_add(&s->sv->stats->client_bytes_in, (uint64_t)n);
	enum step next = take(s, sv_make(bytes, (size_t)n));
	explicit_bzero(bytes, sizeof(bytes));
	return next;
}

enum step expire_form(struct session *s)
{
	stats_add(&s->sv->stats->rejected_timeout, 1);
	request_fail(s->rq, ERROR_REQUEST_TIMEOUT, SV_NONE);
	return session_answer_error(s);
}
