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

static void broke_off(struct fetch *f)
{
	char text[64];

	if (f->body.error == -EBADMSG)
		fetch_cut(f, ERROR_UPSTREAM_MALFORMED, f->body.why ? f->body.why : "malformed body");
	else
		fetch_cut(f, ERROR_UPSTREAM_CLOSED,
		          f->body.error ? strerror_r(-f->body.error, text, sizeof(text)) : f->body.why);
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
	if (f->state == FETCH_READY)
		leave_head(f);
	enum move_result r = f->conn ? body_move(&f->body, f->conn, to, max, ret_moved, ret_errno) : MOVE_END;
	s->moved += *ret_moved;
	if (r == MOVE_WAIT_SOURCE && *ret_moved == 0 && f->state == FETCH_BODY_WAIT)
		return r; /* asked again without need: the stall goes on */
	switch (r) {
	case MOVE_END: end(f); break;
	case MOVE_CUT: broke_off(f); break;
	case MOVE_WAIT_SOURCE: fetch_set(f, FETCH_BODY_WAIT); break;
	case MOVE_SOME: case MOVE_WAIT_SINK: case MOVE_SINK_FAILED: fetch_set(f, FETCH_BODY); break;
	}
	return r;
}

void fetch_stalled(struct fetch *f)
{
	fetch_cut(f, ERROR_UPSTREAM_TIMEOUT, "no byte came for stall_timeout");
	fetch_tell(f);
}
