/* A double of the upstream side for tests of the worker. */
#include "worker_double.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

struct double_source *double_source[DOUBLE_SOURCES];
unsigned double_sources;
const char *double_instant;
bool double_refuses;

static enum move_result double_move(struct source *s, struct sink *to, size_t max, size_t *ret_moved, int *ret_errno)
{
	struct double_source *d = container_of(s, struct double_source, source);
	size_t left = d->body_bytes - (size_t)s->moved;

	d->moves++;
	*ret_moved = 0;
	s->head = NULL;
	while (left && *ret_moved < max) {
		size_t piece = left < max - *ret_moved ? left : max - *ret_moved;
		ssize_t n = to->put(to, sv_make(d->body + s->moved, piece));
		if (n == -EAGAIN)
			return MOVE_WAIT_SINK;
		if (n < 0) {
			*ret_errno = (int)-n;
			return MOVE_SINK_FAILED;
		}
		s->moved += (uint64_t)n;
		*ret_moved += (size_t)n;
		left -= (size_t)n;
	}
	if (left || d->skips)
		return MOVE_SOME;
	if (d->cut)
		return MOVE_CUT;
	d->complete = d->ended;
	return d->ended ? MOVE_END : MOVE_WAIT_SOURCE;
}

static void double_free(struct source *s)
{
	struct double_source *d = container_of(s, struct double_source, source);

	assert(!d->freed);
	d->freed = true;
}

static const struct source_ops ops = { double_move, double_free };

static void parse(struct double_source *d, const char *head)
{
	const struct gate_limits limits = { 2000, 2000, 100 };

	(void)snprintf(d->head_text, sizeof(d->head_text), "%s", head);
	wire_init_response(&d->wire, &limits, d->method == HTTP_HEAD);
	if (wire_feed(&d->wire, d->head_text, strlen(d->head_text), &d->head) != WIRE_DONE)
		assert(!"the test's answer is no head");
	d->source.head = &d->head;
	d->source.framing = d->head.framing;
	d->source.length = d->head.content_length;
	d->source.state = SOURCE_HEAD;
}

struct source *fetch_start(struct upstream *u, const struct fetch_request *rq, source_fn *fn, struct err *reterr)
{
	(void)u;
	if (double_refuses) {
		(void)err_set(reterr, -ENOMEM, "the test says so");
		return NULL;
	}
	assert(double_sources < DOUBLE_SOURCES);
	struct double_source *d = calloc(1, sizeof(*d));
	size_t n = 0;
	double_source[double_sources++] = d;
	d->source = (struct source){ .ops = &ops, .fn = fn, .state = SOURCE_WAITING, .waits_for = "the test" };
	d->registry = rq->registry;
	d->method = rq->method;
	(void)sv_copy(d->path, sizeof(d->path), rq->path);
	for (unsigned i = 0; i < rq->fields; i++)
		n += (size_t)snprintf(d->fields + n, sizeof(d->fields) - n, SV_FMT ": " SV_FMT "\n",
		                      SV_ARG(rq->field[i].name), SV_ARG(rq->field[i].value));
	if (double_instant) {
		const char *end = strstr(double_instant, "\r\n\r\n") + 4;
		char head[2048];
		(void)snprintf(head, sizeof(head), "%.*s", (int)(end - double_instant), double_instant);
		parse(d, head);
		d->body = end;
		d->body_bytes = d->method == HTTP_HEAD ? 0 : strlen(end);
		d->ended = true;
	}
	return &d->source;
}

void fetch_facts(const struct source *s, struct fetch_facts *ret)
{
	(void)s;
	*ret = (struct fetch_facts){ .tries = 1 };
}

void double_reset(void)
{
	while (double_sources)
		free(double_source[--double_sources]);
	double_instant = NULL;
	double_refuses = false;
}

static void tell(struct double_source *d)
{
	assert(!d->freed);
	d->source.fn(&d->source);
}

void double_arrive(struct double_source *d, const char *head, const char *body, bool ended)
{
	parse(d, head);
	d->body = body;
	d->body_bytes = strlen(body);
	d->ended = ended;
}

void double_answer(struct double_source *d, const char *head, const char *body, bool ended)
{
	double_arrive(d, head, body, ended);
	tell(d);
}

void double_more(struct double_source *d, const char *body, size_t bytes, bool ended)
{
	d->body = body;
	d->body_bytes = bytes;
	d->ended = ended;
	tell(d);
}

static void failure(struct double_source *d, enum error_id id, const char *text)
{
	d->source.failure.id = id;
	(void)snprintf(d->source.failure.text, sizeof(d->source.failure.text), "%s", text);
}

void double_cut(struct double_source *d)
{
	d->cut = true;
	failure(d, ERROR_UPSTREAM_CLOSED, "the connection broke");
	tell(d);
}

void double_fail(struct double_source *d, enum error_id id, const char *text)
{
	failure(d, id, text);
	d->source.state = SOURCE_FAILED;
	tell(d);
}
