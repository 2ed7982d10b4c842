/* One exchange of the doctor's.  Keeper. */
#include "doctor_exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "upstream.h"

#define BODY_MS 15000 /* for a body, once its head is there */

/* --- what heads say --------------------------------------------------------------------------------------------- */

static void add_mark(struct doctor_exchange *x, const struct http_field *f)
{
	const size_t used = strlen(x->marks);
	const bool telling = !sv_starts(f->name, SV("x-")); /* times and the like differ from answer to answer */
	char mark[96];

	(void)snprintf(mark, sizeof(mark), "%.*s%s%.*s", (int)(f->name.n < 40 ? f->name.n : 40), f->name.p, telling ? ": " : "",
	               telling ? (int)(f->value.n < 40 ? f->value.n : 40) : 0, f->value.p);
	for (char *p = mark; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	if (!strstr(x->marks, mark))
		(void)snprintf(x->marks + used, sizeof(x->marks) - used, "%s%s", used ? ", " : "", mark);
}

static void look_for_marks(struct doctor_exchange *x, const struct http_head *h)
{
	for (unsigned i = 0; i < h->fields; i++) {
		const struct http_field *f = &h->field[i];
		const bool envoy = sv_eq_nocase(f->name, SV("Server")) && sv_contains(f->value, SV("envoy"));
		const bool prefixed = f->name.n > 8 && sv_eq_nocase(sv_make(f->name.p, 8), SV("x-envoy-"));
		if (envoy || prefixed || sv_eq_nocase(f->name, SV("Via")))
			add_mark(x, f);
	}
}

static void on_head(void *by, const struct http_head *h)
{
	struct doctor_exchange *x = by;
	struct strview location = http_head_value(h, SV("Location"));
	struct url url;

	x->status = h->status;
	look_for_marks(x, h);
	if (h->status == 401)
		offer_read(h, &x->offer);
	if (location.n && url_parse(location, &url, NULL) == 0)
		url_authority(&url.at, x->location);
}

/* --- its end ---------------------------------------------------------------------------------------------------- */

static void on_finish(struct deferred *d)
{
	struct doctor_exchange *x = container_of(d, struct doctor_exchange, finish);

	x->fn(x);
}

static void finish(struct doctor_exchange *x)
{
	struct fetch_facts facts;

	if (x->source) {
		fetch_facts(x->source, &facts);
		x->at = facts.at;
		x->connect_ms = facts.connect_ms;
		source_free(TAKE(x->source));
	}
	x->ms = loop_now(x->loop) - x->started_ms;
	loop_timer_stop(&x->deadline);
	loop_defer(x->loop, &x->finish, on_finish);
}

static void fail(struct doctor_exchange *x, enum error_id id, const char *text)
{
	x->error = id;
	(void)snprintf(x->text, sizeof(x->text), "%s", text);
	finish(x);
}

/* An error that is not the fetch's. */
static void fail_here(struct doctor_exchange *x, enum error_id id, const char *detail)
{
	const struct error_context c = { .vhost = sv_str(x->vhost), .detail = sv_str(detail) };
	char text[ERROR_TEXT_MAX];

	error_render(id, &c, text);
	fail(x, id, text);
}

static void on_deadline(struct timer *t)
{
	fail_here(container_of(t, struct doctor_exchange, deadline), ERROR_DOCTOR_BODY, "its body takes too long");
}

/* --- the body --------------------------------------------------------------------------------------------------- */

struct taker {
	struct sink sink;
	struct doctor_exchange *x;
};

static ssize_t put_body(struct sink *s, struct strview bytes)
{
	struct doctor_exchange *x = container_of(s, struct taker, sink)->x;
	const size_t room = x->cap - x->n, n = bytes.n < room ? bytes.n : room;

	if (n == 0)
		return bytes.n ? -EAGAIN : 0;
	char *body = malloc(x->n + n);
	if (!body)
		return -ENOMEM;
	if (x->n) {
		memcpy(body, x->body, x->n);
		explicit_bzero(x->body, x->n);
	}
	free(x->body);
	memcpy(body + x->n, bytes.p, n);
	x->body = body;
	x->n += n;
	return (ssize_t)n;
}

static void take_body(struct doctor_exchange *x)
{
	struct taker t = { .sink.put = put_body, .x = x };
	size_t moved;
	int error = 0;

	while (!(x->enough && x->n == x->cap))
		switch (source_move(x->source, &t.sink, x->cap, &moved, &error)) {
		case MOVE_SOME: break;
		case MOVE_WAIT_SOURCE: return;
		case MOVE_END: finish(x); return;
		case MOVE_CUT: fail(x, x->source->failure.id, x->source->failure.text); return;
		case MOVE_WAIT_SINK: fail_here(x, ERROR_DOCTOR_BODY, "it is longer than any should be"); return;
		case MOVE_SINK_FAILED: fail_here(x, ERROR_OVERLOADED, "memory is short"); return;
		}
	finish(x);
}

static void on_source(struct source *s)
{
	struct doctor_exchange *x = s->owner;

	switch (s->state) {
	case SOURCE_WAITING: return;
	case SOURCE_FAILED:
		fail(x, s->failure.id, s->failure.text);
		return;
	case SOURCE_HEAD:
		break;
	}
	if (!x->deadline.loop) {
		x->length = s->framing == HTTP_BODY_LENGTH ? s->length : 0;
		loop_timer_in(x->loop, &x->deadline, BODY_MS, on_deadline);
	}
	take_body(x);
}

/* --- its beginning ---------------------------------------------------------------------------------------------- */

void doctor_exchange_init(struct doctor_exchange *x, struct loop *l, struct upstream *u, doctor_exchange_fn *fn)
{
	*x = (struct doctor_exchange){ .loop = l, .upstream = u, .fn = fn };
	deferred_init(&x->finish);
}

void doctor_exchange_stop(struct doctor_exchange *x)
{
	source_free(TAKE(x->source));
	loop_timer_stop(&x->deadline);
	loop_defer_cancel(&x->finish);
	if (x->body)
		explicit_bzero(x->body, x->n);
	free(TAKE(x->body));
	x->n = 0;
}

void doctor_exchange_start(struct doctor_exchange *x, const struct fetch_request *rq, size_t cap, bool enough)
{
	struct fetch_request own = *rq;
	char marks[sizeof(x->marks)];
	struct err e;

	doctor_exchange_stop(x);
	memcpy(marks, x->marks, sizeof(marks));
	doctor_exchange_init(x, x->loop, x->upstream, x->fn);
	memcpy(x->marks, marks, sizeof(marks));
	x->vhost = rq->at ? rq->at->authority : rq->registry->authority;
	x->cap = cap;
	x->enough = enough;
	x->started_ms = loop_now(x->loop);
	own.heard = on_head;
	own.by = x;
	own.urgent = true;
	x->source = fetch_start(x->upstream, &own, on_source, &e);
	if (x->source)
		x->source->owner = x;
	else
		fail_here(x, ERROR_OVERLOADED, "memory is short");
}
