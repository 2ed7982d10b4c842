/* The body of an answer on its way to the sink.  Worker and keeper. */
#include "body.h"

#include <errno.h>

#include "copy.h"
#include "splice.h"

void body_init(struct body *b, enum http_framing framing, uint64_t length)
{
	*b = (struct body){ .framing = framing, .left = framing == HTTP_BODY_LENGTH ? length : 0 };
	if (framing == HTTP_BODY_CHUNKED)
		chunk_init(&b->chunk);
	b->ended = b->exact = framing == HTTP_BODY_NONE || (framing == HTTP_BODY_LENGTH && length == 0);
}

static enum move_result cut(struct body *b, int error, const char *why)
{
	b->error = error;
	b->why = why;
	return MOVE_CUT;
}

/* Makes a piece of what is in the buffer.  False: malformed chunks. */
static bool next_piece(struct body *b, const struct conn *c)
{
	struct strview in = buf_view(&c->in);

	switch (b->framing) {
	case HTTP_BODY_LENGTH:
		b->piece = sv_make(in.p, in.n < b->left ? in.n : (size_t)b->left);
		b->piece_used = b->piece.n;
		b->left -= b->piece.n;
		b->ended = b->exact = b->left == 0;
		return true;
	case HTTP_BODY_CHUNKED: {
		int r = chunk_feed(&b->chunk, in.p, in.n, &b->piece_used, &b->piece);
		b->ended = b->exact = r == 1;
		return r >= 0;
	}
	case HTTP_BODY_CLOSE:
		b->piece = in;
		b->piece_used = in.n;
		return true;
	case HTTP_BODY_NONE:
		break;
	}
	return true;
}

/* What a read meant that gave n bytes, or -errno.  MOVE_SOME: something came. */
static enum move_result came(struct body *b, ssize_t n)
{
	if (n > 0)
		return MOVE_SOME;
	if (n == -EAGAIN)
		return MOVE_WAIT_SOURCE;
	if (n == 0 && b->framing == HTTP_BODY_CLOSE) {
		b->ended = true;
		return MOVE_END;
	}
	return cut(b, (int)n, n == 0 ? "the connection ended early" : NULL);
}

/* What n bytes (or -errno) mean that the sink took.  MOVE_SOME: go on. */
static enum move_result took(ssize_t n, size_t *moved, int *ret_errno)
{
	if (n == -EAGAIN)
		return MOVE_WAIT_SINK;
	if (n < 0) {
		*ret_errno = (int)-n;
		return MOVE_SINK_FAILED;
	}
	*moved += (size_t)n;
	return MOVE_SOME;
}

/* Gives all of it; what the sink did not take after all waits in a pipe, or as a piece.  MOVE_SOME: go on. */
static enum move_result put_copied(struct body *b, struct conn *c, struct sink *to, struct strview bytes, size_t *moved, int *ret_errno)
{
	ssize_t n = 0;

	while (bytes.n && (n = to->put(to, bytes)) > 0) {
		*moved += (size_t)n;
		bytes = sv_from(bytes, (size_t)n);
	}
	if (n < 0 && n != -EAGAIN) { /* the client is gone: nothing is kept for it */
		splice_release(c);
		return took(n, moved, ret_errno);
	}
	const int kept = copy_keep(c, bytes);
	if (kept < 0)
		return cut(b, kept, NULL);
	if (bytes.n == 0)
		return MOVE_SOME;
	b->piece = buf_view(&c->in);
	b->piece_used = b->piece.n;
	return took(n, moved, ret_errno);
}

/* Reads more, by the shortest way.  MOVE_SOME: go on. */
static enum move_result fill(struct body *b, struct conn *c, struct sink *to, size_t max, size_t *moved, int *ret_errno)
{
	struct strview bytes;
	ssize_t n = splice_pays(b, c, to) ? splice_fill(b, c, max - *moved) : -ENOTSUP;

	if (n != -ENOTSUP)
		return came(b, n);
	if (copy_pays(b, to))
		n = copy_fill(b, c, to, max - *moved, &bytes);
	if (n > 0)
		return put_copied(b, c, to, bytes, moved, ret_errno);
	return came(b, n == -ENOTSUP ? conn_fill(c) : n);
}

/* Gives the piece, or as much of it as max and the sink allow.  MOVE_SOME: go on. */
static enum move_result put_piece(struct body *b, struct conn *c, struct sink *to, size_t max, size_t *moved,
                                  int *ret_errno)
{
	size_t room = max - *moved;
	ssize_t n = to->put(to, sv_make(b->piece.p, b->piece.n < room ? b->piece.n : room));

	if (n > 0)
		b->piece = sv_from(b->piece, (size_t)n);
	if (n >= 0 && b->piece.n == 0) {
		buf_consume(&c->in, b->piece_used);
		b->piece_used = 0;
	}
	return took(n, moved, ret_errno);
}

/* What is in the pipe, spliced; where that cannot be, as a piece. */
static enum move_result put_pipe(struct body *b, struct conn *c, struct sink *to, size_t max, size_t *moved, int *ret_errno)
{
	ssize_t n = splice_give(c, to, max - *moved);

	if (n != -ENOTSUP)
		return took(n, moved, ret_errno);
	n = splice_take_back(c);
	if (n < 0)
		return cut(b, (int)n, NULL);
	b->piece = buf_view(&c->in);
	b->piece_used = b->piece.n;
	return MOVE_SOME;
}

/* One step: gives, cuts off or reads. */
static enum move_result step(struct body *b, struct conn *c, struct sink *to, size_t max, size_t *moved,
                             int *ret_errno)
{
	if (b->piece.n) /* what was taken back comes before the rest of a pipe */
		return put_piece(b, c, to, max, moved, ret_errno);
	if (c->pipe.held)
		return put_pipe(b, c, to, max, moved, ret_errno);
	if (b->piece_used) { /* framing only */
		buf_consume(&c->in, b->piece_used);
		b->piece_used = 0;
	}
	if (b->ended)
		return MOVE_END;
	if (buf_len(&c->in))
		return next_piece(b, c) ? MOVE_SOME : cut(b, -EBADMSG, b->chunk.why);
	return fill(b, c, to, max, moved, ret_errno);
}

/* Nothing taken off the connection waits for the sink. */
static bool is_clear(const struct body *b, const struct conn *c)
{
	return b->piece.n == 0 && c->pipe.held == 0;
}

/* Not for a few bytes more, when the next call will take many at once. */
static bool goes_on(const struct body *b, const struct conn *c, const struct sink *to, size_t moved, size_t max)
{
	if (moved >= max)
		return b->ended && is_clear(b, c);
	if (moved == 0 || max - moved >= SPLICE_LEAST)
		return true;
	return !is_clear(b, c) || buf_len(&c->in) || (!splice_pays(b, c, to) && !copy_pays(b, to));
}

enum move_result body_move(struct body *b, struct conn *c, struct sink *to, size_t max, size_t *ret_moved,
                           int *ret_errno)
{
	enum move_result r = MOVE_SOME;

	*ret_moved = 0;
	while (r == MOVE_SOME && goes_on(b, c, to, *ret_moved, max))
		r = step(b, c, to, max, ret_moved, ret_errno);
	return r;
}

bool body_is_here(const struct body *b, const struct conn *c)
{
	return b->ended || (b->framing == HTTP_BODY_LENGTH && buf_len(&c->in) - b->piece_used >= b->left);
}

static size_t peek_chunks(struct chunk chunk, struct strview in, char *dst, size_t cap, bool *ret_whole)
{
	size_t n = 0, used;
	struct strview data;

	while (in.n && n < cap) {
		int r = chunk_feed(&chunk, in.p, in.n, &used, &data);
		size_t take = data.n < cap - n ? data.n : cap - n;
		if (r < 0)
			break;
		if (take)
			memcpy(dst + n, data.p, take);
		n += take;
		in = sv_from(in, used);
		if (r == 1) {
			*ret_whole = true;
			break;
		}
		if (used == 0)
			break;
	}
	return n;
}

size_t body_peek(const struct body *b, const struct conn *c, size_t skip, char *dst, size_t cap,
                 bool *ret_whole)
{
	struct strview in = sv_from(buf_view(&c->in), skip);

	*ret_whole = b->ended;
	if (b->ended)
		return 0;
	if (b->framing == HTTP_BODY_CHUNKED)
		return peek_chunks(b->chunk, in, dst, cap, ret_whole);
	if (b->framing == HTTP_BODY_LENGTH)
		*ret_whole = in.n >= b->left;
	size_t n = in.n < cap ? in.n : cap;
	if (b->framing == HTTP_BODY_LENGTH && n > b->left)
		n = (size_t)b->left;
	if (n)
		memcpy(dst, in.p, n);
	return n;
}
