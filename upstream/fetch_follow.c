/* Redirects of a fetch, followed here because the client cannot reach where they lead to.  Worker and keeper. */
#include "fetch_impl.h"

#include <string.h>

#include "ask.h"
#include "redirect.h"

static void fail(struct fetch *f, enum error_id id, const char *detail)
{
	struct fetch_error e;

	fetch_error_set(&e, id, "%s", detail);
	fetch_fail(f, &e);
}

void fetch_leave_conn(struct fetch *f)
{
	const struct http_head *h = &f->response.head;
	char text[CLASSIFY_TEXT_MAX];
	bool whole;
	size_t n = body_peek(&f->body, f->conn, h->bytes, text, sizeof(text), &whole);

	if (whole && n < sizeof(text) && h->keep_alive && buf_len(&f->conn->in) == h->bytes + n
	    && h->framing != HTTP_BODY_CHUNKED) {
		buf_clear(&f->conn->in);
		fetch_give_back(f);
	} else {
		fetch_drop_conn(f, true);
	}
}

static void go_to(struct fetch *f, const struct conf_host *at, bool https, struct strview path)
{
	f->strayed |= at != f->rq.at; /* for good: what came back over another host is not trusted again */
	f->rq.anonymous = f->strayed || f->grant;
	f->rq.at = f->facts.at = at;
	f->rq.https = https;
	f->rq.path = path;
	f->key = upstream_key(f->upstream, f->rq.registry, at, https);
	f->pool = f->key->pool;
	f->waiter.key = f->key;
}

static void follow(struct fetch *f, const struct redirect *to)
{
	char *path = strndup(to->path.p, to->path.n);
	struct strview what;

	if (!path) {
		fetch_fail_memory(f);
		return;
	}
	if (f->response.head.status == 303 && f->rq.method != HTTP_HEAD)
		f->rq.method = HTTP_GET;
	fetch_leave_conn(f);
	go_to(f, to->at, to->https, sv_str(path));
	free(f->path);
	f->path = path;
	f->facts.redirects++;
	f->hops++;
	if (!ask_fits(&f->rq, &what)) {
		fail(f, ERROR_LINE_TOO_LONG, "the URL that the registry redirects to");
		return;
	}
	f->again_at_ms = loop_now(f->upstream->loop); /* by the timer: not from within the answer */
	fetch_set(f, FETCH_FOLLOW);
}

bool fetch_follow(struct fetch *f)
{
	struct redirect to;

	if (f->rq.route == ROUTE_TOKEN || !redirect_is(f->response.head.status))
		return false;
	switch (redirect_resolve(f->rq.registry, f->rq.at, f->rq.https, &f->response.head, &to)) {
	case REDIRECT_PASS: return false;
	case REDIRECT_UNLISTED: fail(f, ERROR_REDIRECT_HOST, to.host); return true;
	case REDIRECT_PLAIN: fail(f, ERROR_REDIRECT_PLAIN, to.host); return true;
	case REDIRECT_BAD: fail(f, ERROR_REDIRECT_MALFORMED, ""); return true;
	case REDIRECT_FOLLOW: break;
	}
	if (f->hops == REDIRECT_HOPS_MAX)
		fail(f, ERROR_REDIRECT_LOOP, "");
	else
		follow(f, &to);
	return true;
}

void fetch_begin_anew(struct fetch *f)
{
	if (f->hops == 0)
		return;
	f->hops = 0;
	go_to(f, f->first_at, f->first_https, f->first_path);
	f->strayed = false;
	f->rq.anonymous = f->grant != NULL;
	free(f->path);
	f->path = NULL;
}

bool fetch_hop_failed(const struct fetch *f)
{
	unsigned status = f->response.head.status;

	return f->hops > 0 && f->rq.at != f->first_at && status >= 400 && status != 416;
}
