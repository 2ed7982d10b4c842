/* A fetch on its way to a connection: queue, name, dial.  Worker and keeper. */
#include "fetch_impl.h"

#include <errno.h>
#include <stdio.h>

static void on_conn(struct conn *c)
{
	struct fetch *f = c->owner;

	switch (f->state) {
	case FETCH_DIAL: fetch_on_dial(f); break;
	case FETCH_SOCKS: case FETCH_CONNECT: case FETCH_TLS: fetch_on_tunnel(f); break;
	case FETCH_ASK: fetch_on_ask(f); break;
	case FETCH_RESPONSE_HEAD: fetch_on_head(f); break;
	case FETCH_CLASSIFY: fetch_on_text(f); break;
	case FETCH_BODY_WAIT:
		if (c->transport.readable) /* no stall of the upstream's, should the client take nothing now */
			fetch_set(f, FETCH_BODY_FULL);
		fetch_tell(f);
		break;
	default: break; /* nobody waits for it: back-pressure */
	}
}

static const char *error_text(int error, char *text, size_t cap)
{
	return strerror_r(error < 0 ? -error : error, text, cap);
}

/* What it means that no address of the proxy could be connected to. */
static void dial_failed(struct fetch *f, int error)
{
	struct fetch_error e;
	const bool direct = f->pool->proxy->direct;
	char text[64];

	f->turn++;
	switch (-error) {
	case ETIMEDOUT:
		fetch_duration_text(loop_now(f->upstream->loop) - f->dialled_ms, text, sizeof(text));
		fetch_error_set(&e, direct ? ERROR_REGISTRY_TIMEOUT : ERROR_PROXY_TIMEOUT, "no answer in %s", text);
		fetch_not_dialled(f, &e);
		break;
	case EMFILE: case ENFILE: case ENOBUFS: case ENOMEM: case EADDRNOTAVAIL: case EAGAIN:
		fetch_error_set(&e, ERROR_OVERLOADED, "%s", error_text(error, text, sizeof(text)));
		break;
	default:
		fetch_error_set(&e, direct ? ERROR_REGISTRY_UNREACHABLE : ERROR_PROXY_UNREACHABLE, "%s", error_text(error, text, sizeof(text)));
		fetch_not_dialled(f, &e);
	}
	fetch_drop_conn(f, true);
	fetch_attempt_failed(f, RETRY_CAUSE_PASSING, &e);
}

static void dial_address(struct fetch *f)
{
	int r = dial_next(&f->dial, f->conn);

	if (r < 0)
		dial_failed(f, r);
	else
		fetch_set(f, FETCH_DIAL);
}

static void dial_begin(struct fetch *f)
{
	uint64_t now = loop_now(f->upstream->loop), until = now + f->pool->proxy->connect_timeout;

	f->dialled_ms = now;
	f->dial_until_ms = until < f->budget_at_ms ? until : f->budget_at_ms;
	dial_address(f);
}

void fetch_on_dial(struct fetch *f)
{
	int r = conn_connected(f->conn);

	if (r == -EINPROGRESS)
		return;
	if (r < 0) {
		conn_disconnect(f->conn);
		f->dial.error = r;
		dial_address(f);
		return;
	}
	fetch_dialled(f);
	f->facts.connect_ms = loop_now(f->upstream->loop) - f->dialled_ms;
	stats_observe(&f->pool->stats->connect, &stats_scale_ms, f->facts.connect_ms);
	fetch_tunnel(f);
}

void fetch_dial_expired(struct fetch *f)
{
	conn_disconnect(f->conn);
	f->dial.error = -ETIMEDOUT;
	dial_address(f);
}

void fetch_lookup(struct fetch *f)
{
	int r = dial_lookup(&f->dial, f->upstream, f->key, f->turn);
	struct fetch_error e;

	if (r == 0) {
		dial_begin(f);
		return;
	}
	upstream_ask_keeper(f->upstream);
	if (r == -EAGAIN) {
		list_append(&f->upstream->news, &f->waiting);
		fetch_set(f, FETCH_NAME);
		return;
	}
	fetch_error_set(&e, f->pool->proxy->direct ? ERROR_REGISTRY_NAME : ERROR_PROXY_NAME, "%s", f->dial.text);
	fetch_fail(f, &e);
}

/* c is ours: pooled, or still to be dialled. */
static void use_conn(struct fetch *f, struct conn *c)
{
	f->conn = c;
	c->owner = f;
	c->fn = on_conn;
	f->facts.tries++;
	f->facts.reused = c->answers > 0;
	f->waiter.fresh = f->rq.method == HTTP_POST || f->resume.under_way; /* a retry, too: see broke() */
	if (f->facts.reused) {
		f->facts.connect_ms = 0;
		fetch_ask(f);
	} else if (fetch_may_dial(f)) {
		fetch_lookup(f);
	}
}

void fetch_granted(struct waiter *w, struct conn *c)
{
	struct fetch *f = container_of(w, struct fetch, waiter);

	if (c)
		use_conn(f, c);
	else
		fetch_fail_memory(f);
}

void fetch_queue(struct fetch *f)
{
	struct conn *c;

	if (!fetch_has_token(f) || !fetch_has_login(f))
		return;
	int r = pool_take(f->pool, &f->waiter, &c);
	if (r == -EAGAIN)
		fetch_set(f, FETCH_QUEUE);
	else if (r < 0)
		fetch_fail_memory(f);
	else
		use_conn(f, c);
}
