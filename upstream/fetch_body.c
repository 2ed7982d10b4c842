/* The body of a fetch: moving it, and what ends it.  Worker and keeper. */
#include "fetch_impl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The first move takes the head off the buffer; its views end here. */
static void leave_head(struct fetch *f)
{
	f->source.head = NULL;
	if (f->probing) /* what follows is the body of a GET nobody asked for */
		fetch_drop_conn(f, true);
	else
		buf_consume(&f->conn->in, f->response.head.bytes);
}

static void end(struct fetch *f)
{
	/* The head is read no more, but this of it is still needed. */
	if (f->body.exact && f->response.head.keep_alive)
		fetch_give_back(f);
	else
		fetch_drop_conn(f, false);
	fetch_set(f, FETCH_DONE);
}

/* Bytes that are no chunk may be anything, also another client's: such a body is not gone on with. */
static enum move_result broke_off(struct fetch *f)
{
	const struct body *b = &f->body;
	char text[64];

	if (b->error == -EBADMSG) {
		fetch_cut(f, ERROR_UPSTREAM_MALFORMED, b->why ? b->why : "malformed body");
		return MOVE_CUT;
	}
	return fetch_broke_off(f, b->error ? RESUME_RESET : RESUME_CLOSED, ERROR_UPSTREAM_CLOSED,
	                       b->error ? strerror_r(-b->error, text, sizeof(text)) : b->why)
	       ? MOVE_WAIT_SOURCE : MOVE_CUT;
}

/* The answer has given all it has. */
static enum move_result answer_ended(struct fetch *f)
{
	struct resume *r = &f->resume;

	if (r->skip) {
		fetch_cut(f, ERROR_UPSTREAM_CHANGED, "the whole is shorter now than what the client has");
		return MOVE_CUT;
	}
	if (!r->possible || r->range.end == RANGE_UNKNOWN || range_left(&r->range) == 0) {
		end(f);
		return MOVE_END;
	}
	if (r->range.next == r->until) {
		fetch_next_piece(f);
		return MOVE_WAIT_SOURCE;
	}
	return fetch_broke_off(f, RESUME_CLOSED, ERROR_UPSTREAM_CLOSED, "the body ended early") ? MOVE_WAIT_SOURCE
	                                                                                       : MOVE_CUT;
}

static ssize_t drop(struct sink *s, struct strview bytes)
{
	(void)s;
	return (ssize_t)bytes.n;
}

/* Reads what the client has already: a range was asked for, and the whole came. */
static enum move_result skip(struct fetch *f, size_t max, size_t *ret_skipped, int *ret_errno)
{
	struct sink nowhere = { .put = drop };
	struct resume *r = &f->resume;
	enum move_result result = body_move(&f->body, f->conn, &nowhere, r->skip < max ? (size_t)r->skip : max,
	                                    ret_skipped, ret_errno);

	r->skip -= *ret_skipped;
	f->facts.skipped += *ret_skipped;
	stats_add(&f->upstream->heritage->stats->resume_skipped, *ret_skipped);
	return result;
}

/* Gives the client what it has not. */
static enum move_result give(struct fetch *f, struct sink *to, size_t max, size_t *ret_moved, int *ret_errno)
{
	struct resume *r = &f->resume;
	uint64_t left = r->possible ? range_left(&r->range) : RANGE_UNKNOWN;

	if (r->until != RANGE_UNKNOWN && r->until - r->range.next < left)
		left = r->until - r->range.next;
	if (left < max)
		max = (size_t)left;
	enum move_result result = body_move(&f->body, f->conn, to, max, ret_moved, ret_errno);
	if (*ret_moved == 0)
		return result == MOVE_SOME && left == 0 ? MOVE_END : result;
	f->source.moved += *ret_moved;
	r->range.next += *ret_moved;
	r->failed = 0;
	r->progress_ms = loop_now(f->upstream->loop);
	return result == MOVE_SOME && left == *ret_moved ? MOVE_END : result;
}

enum move_result fetch_move(struct source *s, struct sink *to, size_t max, size_t *ret_moved, int *ret_errno)
{
	struct fetch *f = container_of(s, struct fetch, source);

	*ret_moved = 0;
	if (f->state == FETCH_DONE)
		return MOVE_END;
	if (f->state == FETCH_CUT)
		return MOVE_CUT;
	assert(s->state == SOURCE_HEAD);
	if (f->state == FETCH_PARKED)
		fetch_unpark(f);
	if (f->resume.under_way)
		return MOVE_WAIT_SOURCE;
	if (f->state == FETCH_READY)
		leave_head(f);
	size_t skipped = 0;
	enum move_result r = !f->conn        ? MOVE_END
	                     : f->resume.skip ? skip(f, max, &skipped, ret_errno)
	                                      : give(f, to, max, ret_moved, ret_errno);
	const bool moved = *ret_moved || skipped;
	switch (r) {
	case MOVE_END: return answer_ended(f);
	case MOVE_CUT: return broke_off(f);
	/* Asked again without need, nothing having moved: the wait goes on. */
	case MOVE_WAIT_SOURCE:
		f->resume.held = false;
		if (moved || f->state != FETCH_BODY_WAIT)
			fetch_set(f, FETCH_BODY_WAIT);
		break;
	case MOVE_WAIT_SINK:
		f->resume.held = true;
		if (fetch_park_slow(f))
			break;
		if (moved || f->state != FETCH_BODY_FULL)
			fetch_set(f, FETCH_BODY_FULL);
		break;
	case MOVE_SOME: case MOVE_SINK_FAILED: fetch_set(f, FETCH_BODY); break;
	}
	return r;
}

void fetch_stalled(struct fetch *f)
{
	(void)fetch_broke_off(f, RESUME_STALL, ERROR_UPSTREAM_TIMEOUT, "no byte came for stall_timeout");
	fetch_tell(f);
}
