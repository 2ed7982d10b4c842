/* A client of the doctor.  Keeper. */
#include "doctor_client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "control_api.h"
#include "doctor_out.h"
#include "doctor_walk.h"
#include "http_wire.h"
#include "log.h"
#include "msg.h"
#include "transport.h"

#define IN_MAX     (CONTROL_HEAD_MAX + CONTROL_BODY_MAX)
#define LINGER_MAX (64u * 1024)

enum doctor_client_state {
#define S(state, deadline_ms, why) CLIENT_##state,
#include "doctor_states.def"
#undef S
	CLIENT_STATES
};

static const struct {
	uint64_t deadline_ms;
	const char *name, *waits_for;
} rows[CLIENT_STATES] = {
#define S(state, deadline_ms, why) [CLIENT_##state] = { deadline_ms, #state, why },
#include "doctor_states.def"
#undef S
};

enum step { STEP_AGAIN, STEP_WAIT, STEP_END };

struct doctor_client {
	struct list node;
	struct doctor_clients *all;
	struct transport transport;
	struct timer deadline;
	struct deferred end;    /* queued: the client is gone, only its memory is left */
	struct deferred resume; /* the answer grew: not from within the walk's call */
	enum doctor_client_state state;
	struct wire wire;
	char *in;               /* IN_MAX, secret; NULL once it was read */
	size_t in_n, head_n, body_n;
	bool streams;           /* answers line by line */
	bool told;              /* the whole answer is in out */
	struct doctor_walk *walk;
	struct doctor_out out;
	size_t lingered;
};

/* --- life ------------------------------------------------------------------------------------------------------- */

static void on_end(struct deferred *d)
{
	free(container_of(d, struct doctor_client, end));
}

static void forget_request(struct doctor_client *c)
{
	if (c->in)
		explicit_bzero(c->in, IN_MAX);
	free(TAKE(c->in));
}

static void end_walk(struct doctor_client *c)
{
	if (!c->walk)
		return;
	doctor_walk_free(TAKE(c->walk));
	c->all->walks--;
}

/* Closes the connection; the memory lives until the end of the turn. */
static void client_end(struct doctor_client *c)
{
	transport_close(&c->transport);
	loop_timer_stop(&c->deadline);
	loop_defer_cancel(&c->resume);
	end_walk(c);
	forget_request(c);
	doctor_out_done(&c->out);
	list_del(&c->node);
	c->all->count--;
	loop_defer(c->all->loop, &c->end, on_end);
}

static void on_deadline(struct timer *t)
{
	struct doctor_client *c = container_of(t, struct doctor_client, deadline);

	log_debug("client of the doctor waited too long for %s, closing it", rows[c->state].waits_for);
	client_end(c);
}

static void client_enter(struct doctor_client *c, enum doctor_client_state to)
{
	assert(to < CLIENT_STATES);
	log_debug("client of the doctor %s -> %s, waits for %s", rows[c->state].name, rows[to].name, rows[to].waits_for);
	c->state = to;
	loop_timer_in(c->all->loop, &c->deadline, rows[to].deadline_ms, on_deadline);
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

static enum step refuse(struct doctor_client *c, unsigned status, const char *why)
{
	forget_request(c);
	doctor_out_document(&c->out, status, json_pack("{s:s}", "error", why));
	c->told = true;
	client_enter(c, CLIENT_REPLY);
	return STEP_AGAIN;
}

/* --- HEAD, BODY ------------------------------------------------------------------------------------------------- */

static enum step read_more(struct doctor_client *c, size_t most)
{
	const ssize_t n = transport_read(&c->transport, c->in + c->in_n, most - c->in_n);

	if (n == -EAGAIN)
		return STEP_WAIT;
	if (n <= 0)
		return STEP_END;
	c->in_n += (size_t)n;
	return STEP_AGAIN;
}

static enum step refuse_head(struct doctor_client *c, enum wire_result got)
{
	static const unsigned status[] = { [WIRE_BAD] = 400, [WIRE_VERSION] = 505, [WIRE_LINE_LONG] = 414, [WIRE_HEAD_LONG] = 431,
		                           [WIRE_TLS] = 400, [WIRE_METHOD] = 400, [WIRE_HOST] = 400, [WIRE_BODY] = 413 };

	return refuse(c, status[got], c->wire.why ? c->wire.why : "malformed request");
}

static bool is_busy(const struct doctor_client *c)
{
	return c->all->walks >= DOCTOR_WALKS;
}

static enum step refuse_busy(struct doctor_client *c)
{
	return refuse(c, 409, "the doctor has no time: other walks are under way, try again when they are done");
}

static enum step take_head(struct doctor_client *c, const struct http_head *h)
{
	static const char leave[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (control_call_find(h->target) != CONTROL_DOCTOR)
		return refuse(c, 404, "there is no such path below /v1/; see regctl(1)");
	if (h->framing == HTTP_BODY_CHUNKED)
		return refuse(c, 411, "a body must come with Content-Length");
	if (h->framing == HTTP_BODY_LENGTH && h->content_length > CONTROL_BODY_MAX)
		return refuse(c, 413, "the body is larger than 64 KiB");
	if (http_head_expects_else(h))
		return refuse(c, 417, "this expectation cannot be met");
	if (is_busy(c)) /* and what waits for leave is not even sent */
		return refuse_busy(c);
	c->head_n = h->bytes;
	c->body_n = h->framing == HTTP_BODY_LENGTH ? (size_t)h->content_length : 0;
	c->streams = sv_eq(http_head_value(h, SV("Accept")), SV("application/x-ndjson"));
	if (h->expect_continue && c->in_n < c->head_n + c->body_n)
		doctor_out_put(&c->out, leave, sizeof(leave) - 1);
	client_enter(c, CLIENT_BODY);
	return STEP_AGAIN;
}

static enum step step_head(struct doctor_client *c)
{
	struct http_head h;
	const enum step next = read_more(c, IN_MAX);

	if (next != STEP_AGAIN)
		return next;
	const enum wire_result got = wire_feed(&c->wire, c->in, c->in_n, &h);
	if (got == WIRE_MORE)
		return STEP_AGAIN;
	return got == WIRE_DONE ? take_head(c, &h) : refuse_head(c, got);
}

static void on_line(void *owner, json_t *line, bool last);

static enum step begin_walk(struct doctor_client *c, struct doctor_order *o)
{
	struct doctor_clients *all = c->all;

	c->walk = doctor_walk_new(all->loop, all->h, all->upstream, o, on_line, c);
	if (!c->walk) {
		doctor_order_done(o);
		return refuse(c, 500, "memory is short");
	}
	all->walks++;
	if (c->streams)
		doctor_out_head(&c->out, 200, -1);
	client_enter(c, CLIENT_WALK);
	return STEP_AGAIN;
}

static enum step step_body(struct doctor_client *c)
{
	struct doctor_order o;
	struct err why = { .code = 0 };

	if (doctor_out_flush(&c->out, &c->transport) < 0) /* the leave to send it: it finds room, for nothing was sent before */
		return STEP_END;
	if (c->in_n < c->head_n + c->body_n)
		return read_more(c, c->head_n + c->body_n);
	if (is_busy(c))
		return refuse_busy(c);
	const int r = doctor_order_read(sv_make(c->in + c->head_n, c->body_n), &o, &why);
	forget_request(c);
	return r < 0 ? refuse(c, 400, why.text) : begin_walk(c, &o);
}

/* --- WALK, REPLY, LINGER ---------------------------------------------------------------------------------------- */

static void run(struct doctor_client *c);

static void on_resume(struct deferred *d)
{
	run(container_of(d, struct doctor_client, resume));
}

static void on_line(void *owner, json_t *line, bool last)
{
	struct doctor_client *c = owner;

	if (c->streams || last)
		doctor_out_document(&c->out, c->streams ? 0 : 200, line);
	else
		json_decref(line);
	c->told = last;
	loop_defer(c->all->loop, &c->resume, on_resume);
}

/* Throws away what comes; the end is what it shows. */
static enum step watch_end(struct doctor_client *c)
{
	char waste[4096];
	const ssize_t n = transport_read(&c->transport, waste, sizeof(waste));

	if (n == -EAGAIN)
		return STEP_WAIT;
	explicit_bzero(waste, sizeof(waste));
	c->lingered += n > 0 ? (size_t)n : 0;
	return n <= 0 || c->lingered > LINGER_MAX ? STEP_END : STEP_AGAIN;
}

static enum step step_walk(struct doctor_client *c)
{
	if (doctor_out_flush(&c->out, &c->transport) < 0)
		return STEP_END;
	if (!c->told)
		return watch_end(c);
	end_walk(c);
	client_enter(c, CLIENT_REPLY);
	return STEP_AGAIN;
}

static enum step step_reply(struct doctor_client *c)
{
	const int r = doctor_out_flush(&c->out, &c->transport);

	if (r <= 0)
		return r < 0 ? STEP_END : STEP_WAIT;
	(void)shutdown(c->transport.fd, SHUT_WR);
	client_enter(c, CLIENT_LINGER);
	return STEP_AGAIN;
}

static enum step (*const steps[CLIENT_STATES])(struct doctor_client *c) = {
	[CLIENT_HEAD] = step_head, [CLIENT_BODY] = step_body, [CLIENT_WALK] = step_walk, [CLIENT_REPLY] = step_reply,
	[CLIENT_LINGER] = watch_end,
};

static void run(struct doctor_client *c)
{
	enum step next;

	do
		next = steps[c->state](c);
	while (next == STEP_AGAIN);
	if (next == STEP_END)
		client_end(c);
}

static void on_ready(struct transport *t)
{
	run(container_of(t, struct doctor_client, transport));
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

void doctor_clients_init(struct doctor_clients *all, struct loop *l, const struct heritage *h, struct upstream *u)
{
	*all = (struct doctor_clients){ .loop = l, .h = h, .upstream = u };
	list_init(&all->all);
	wire_setup(CONTROL_HEAD_MAX);
}

/* The oldest whose walk has not begun or is told; walks are fewer than clients may be, so there is one. */
static void make_room(struct doctor_clients *all)
{
	if (all->count < DOCTOR_CLIENTS)
		return;
	list_for_each(it, &all->all) {
		struct doctor_client *c = list_entry(it, struct doctor_client, node);
		if (!c->walk) {
			client_end(c);
			return;
		}
	}
}

void doctor_clients_take(struct doctor_clients *all, int fd)
{
	static const struct gate_limits limits = { .line = CONTROL_HEAD_MAX, .head = CONTROL_HEAD_MAX, .fields = CONTROL_FIELDS_MAX };
	struct doctor_client *c = calloc(1, sizeof(*c));
	char *in = malloc(IN_MAX);

	if (!c || !in || transport_open_plain(&c->transport, all->loop, fd, on_ready) < 0) {
		(void)close(fd);
		free(in);
		free(c);
		return;
	}
	make_room(all);
	c->all = all;
	c->in = in;
	c->in_n = sizeof(MSG_DOCTOR_READ) - 1;
	memcpy(c->in, MSG_DOCTOR_READ, c->in_n);
	deferred_init(&c->end);
	deferred_init(&c->resume);
	wire_init_request(&c->wire, &limits, true);
	list_append(&all->all, &c->node);
	all->count++;
	client_enter(c, CLIENT_HEAD);
}

void doctor_clients_done(struct doctor_clients *all)
{
	list_for_each_safe(it, &all->all)
		client_end(list_entry(it, struct doctor_client, node));
}
