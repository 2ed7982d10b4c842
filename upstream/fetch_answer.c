/* A fetch with a connection: the request, the head of the answer, and whose answer it is.  Worker and
 * keeper. */
#include "fetch_impl.h"

#include <errno.h>
#include <string.h>

#include "ask.h"
#include "path_shares.h"
#include "tls_transport.h"

/* --- the request --------------------------------------------------------------------------------------- */

static enum http_method method(const struct fetch *f)
{
	return f->probing ? HTTP_GET : f->rq.method;
}

/* The connection ended before an answer: a pooled one may simply have been closed meanwhile. */
static void broke(struct fetch *f, int error)
{
	bool used = f->facts.reused || f->probing;
	const char *why = tls_why(&f->conn->transport);
	struct fetch_error e;
	char text[64];

	if (why[0] && error == EPROTO)
		fetch_error_set(&e, ERROR_TLS, "%s", why);
	else if (why[0])
		fetch_error_set(&e, ERROR_UPSTREAM_CLOSED, "%s", why);
	else if (error)
		fetch_error_set(&e, ERROR_UPSTREAM_CLOSED, "%s", strerror_r(error, text, sizeof(text)));
	else
		fetch_error_set(&e, ERROR_UPSTREAM_CLOSED, "closed%s",
		                f->response.begun ? " within the head" : "");
	if (e.id == ERROR_TLS && !used && tls_is_final(&f->conn->transport)) /* TLS 1.3 servers judge our certificate late */
		fetch_attempt_failed(f, RETRY_CAUSE_FINAL, &e);
	else if (f->rq.method == HTTP_POST) /* it may have been acted upon, and a refresh token works once (RFC 6749 10.4) */
		fetch_attempt_failed(f, RETRY_CAUSE_FINAL, &e);
	else
		fetch_attempt_failed(f, used && !f->response.begun ? RETRY_CAUSE_STALE : RETRY_CAUSE_PASSING, &e);
}

/* The token may have changed while the fetch was in the queue or dialled.  False: it goes another way. */
static bool may_show_token(struct fetch *f)
{
	if (!f->pool->token || f->pool->proxy->protocol != CONF_PROTOCOL_HTTP) /* a tunnel's was shown when it was opened */
		return true;
	if (!fetch_has_token(f))
		return false;
	if (f->conn->identity && f->conn->identity != f->waiter.identity) { /* a HEAD may have been asked on it a moment ago */
		fetch_drop_conn(f, false);
		fetch_queue(f);
		return false;
	}
	f->conn->identity = f->waiter.identity;
	return true;
}

void fetch_ask(struct fetch *f)
{
	struct fetch_error e;

	if (!may_show_token(f) || !fetch_has_login(f))
		return;
	if (buf_borrow(&f->out, &f->upstream->bufs) < 0) {
		fetch_fail_memory(f);
		return;
	}
	buf_clear(&f->out);
	f->body_sent = 0;
	if (!ask_build(&f->out, &f->rq, method(f), f->pool->token, fetch_show_login(f))) {
		fetch_error_set(&e, ERROR_LINE_TOO_LONG, "the request head");
		fetch_fail(f, &e);
		return;
	}
	response_init(&f->response, method(f) == HTTP_HEAD);
	fetch_set(f, FETCH_ASK);
	fetch_on_ask(f);
}

void fetch_on_ask(struct fetch *f)
{
	struct conn *c = f->conn;

	while (buf_len(&f->out) || f->body_sent < f->rq.body.n) {
		const bool in_head = buf_len(&f->out) > 0;
		struct strview rest = in_head ? buf_view(&f->out) : sv_from(f->rq.body, f->body_sent);
		ssize_t n = conn_write(c, rest);
		if (n == -EAGAIN)
			return;
		if (n < 0 && n != -EPIPE && n != -ECONNRESET) { /* it is there, and has half a request */
			broke(f, (int)-n);
			return;
		}
		if (n < 0) { /* it may have answered before it hung up; reading tells */
			c->transport.readable = true;
			break;
		}
		if (in_head)
			buf_consume(&f->out, (size_t)n);
		else
			f->body_sent += (size_t)n;
	}
	buf_return(&f->out, &f->upstream->bufs);
	fetch_set(f, FETCH_RESPONSE_HEAD);
	if (c->transport.readable)
		fetch_on_head(f);
}

/* --- the head ------------------------------------------------------------------------------------------ */

static void malformed(struct fetch *f, const char *why)
{
	struct fetch_error e;

	fetch_error_set(&e, ERROR_UPSTREAM_MALFORMED, "%s", why);
	fetch_fail(f, &e);
}

static struct verdict verdict_of(const struct fetch *f, struct strview text)
{
	const struct verdict v = classify_text(&f->response.head, f->rq.route, text);

	return conf_speaks_tls(f->rq.registry) ? classify_from_server(v) : v;
}

/* A HEAD has no body to read a text from: the same is asked with GET, on the same connection when it
 * allows. */
static void probe(struct fetch *f)
{
	const struct http_head *h = &f->response.head;
	struct conn *c = f->conn;
	struct verdict v = verdict_of(f, SV_NONE);
	struct fetch_error e = { .id = v.id ? v.id : ERROR_UPSTREAM_ERROR };

	/* What is known already, should the GET come to nothing. */
	classify_detail(h, SV_NONE, e.detail);
	f->probing = true;
	if (h->keep_alive && h->bytes == buf_len(&c->in)) {
		f->last = e;
		buf_clear(&c->in);
		fetch_ask(f);
		return;
	}
	fetch_attempt_failed(f, RETRY_CAUSE_STALE, &e);
}

static void accept_head(struct fetch *f)
{
	struct http_head *h = &f->response.head;

	if (fetch_head_is_out(f)) {
		fetch_resume_head(f);
		return;
	}
	if (f->probing && f->rq.method == HTTP_HEAD) { /* the client asked for no body: fetch_free drops it */
		h->framing = HTTP_BODY_NONE;
		body_init(&f->body, HTTP_BODY_NONE, 0);
	}
	fetch_deliver(f);
}

static void on_head_done(struct fetch *f)
{
	const struct http_head *h = &f->response.head;

	if (f->rq.heard)
		f->rq.heard(f->rq.by, h);
	f->facts.upstream_status = h->status;
	stats_add(&f->pool->stats->requests[stats_code_of(h->status)], 1);
	body_init(&f->body, h->framing, h->content_length);
	if (fetch_challenged(f) || fetch_follow(f))
		return;
	const bool failed_hop = fetch_hop_failed(f);
	switch (classify_head(h, f->rq.route)) {
	case CLASSIFY_PASS:
		if (failed_hop)
			break;
		accept_head(f);
		return;
	case CLASSIFY_JSON:
		if (method(f) == HTTP_HEAD && !failed_hop) {
			accept_head(f);
			return;
		}
		break;
	case CLASSIFY_BODY:
		if (method(f) == HTTP_HEAD && h->status != 407) {
			probe(f);
			return;
		}
		break;
	}
	fetch_set(f, FETCH_CLASSIFY);
	fetch_on_text(f);
}

void fetch_on_head(struct fetch *f)
{
	int error = 0;

	switch (response_read(&f->response, f->conn, &error)) {
	case RESPONSE_MORE: break;
	case RESPONSE_DONE: on_head_done(f); break;
	case RESPONSE_BAD: malformed(f, f->response.why); break;
	case RESPONSE_BROKE: broke(f, error); break;
	case RESPONSE_MEMORY: fetch_fail_memory(f); break;
	}
}

/* --- whose answer -------------------------------------------------------------------------------------- */

void fetch_on_text(struct fetch *f)
{
	const struct http_head *h = &f->response.head;
	char text[CLASSIFY_TEXT_MAX];
	bool whole;

	for (;;) {
		size_t n = body_peek(&f->body, f->conn, h->bytes, text, sizeof(text), &whole);
		if (whole || n == sizeof(text) || classify_is_json(h, sv_make(text, n)))
			break;
		ssize_t r = conn_fill(f->conn);
		if (r == -EAGAIN)
			return;
		if (r < 0 && r != -ENOBUFS && r != -ENOMEM) {
			broke(f, (int)-r);
			return;
		}
		if (r <= 0) /* the end, or no room: there is no more text */
			break;
	}
	fetch_judge(f);
}

void fetch_judge(struct fetch *f)
{
	const struct http_head *h = &f->response.head;
	char text[CLASSIFY_TEXT_MAX];
	bool whole;
	size_t n = body_peek(&f->body, f->conn, h->bytes, text, sizeof(text), &whole);
	struct strview seen = sv_make(text, n);
	struct verdict v = verdict_of(f, seen);
	struct fetch_error e = { .id = v.id };

	if (fetch_hop_failed(f) && (v.id == ERROR_NONE || v.id == ERROR_NOT_A_REGISTRY)) {
		e.id = ERROR_REDIRECT_REFUSED;
		v.retry = true; /* the signature of its URL may have expired: the registry gives a new one */
	}
	if (e.id == ERROR_NONE) {
		accept_head(f);
		return;
	}
	if (e.id == ERROR_UPSTREAM_ERROR && h->status != 503 && f->rq.method == HTTP_POST) /* as in broke() */
		v.retry = false;
	classify_detail(h, seen, e.detail);
	if (e.id == ERROR_PROXY_TOKEN && f->pool->proxy->basic)
		e.id = ERROR_PROXY_CREDENTIALS_REFUSED;
	if (e.id == ERROR_PROXY_TOKEN && f->pool->token) {
		fetch_token_refused(f, &e);
		return;
	}
	if (!f->facts.reused && path_seen_denied(f->upstream, f->key, &v)) {
		e.id = ERROR_PATH_SHARES;
		v.retry = true; /* the next one may be bound to the right thing */
	}
	if (v.bound && f->facts.reused)
		fetch_attempt_failed(f, RETRY_CAUSE_STALE, &e);
	else
		fetch_attempt_failed(f, v.retry ? RETRY_CAUSE_PASSING : RETRY_CAUSE_FINAL, &e);
}
