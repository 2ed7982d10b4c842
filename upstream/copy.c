/* The body of an answer copied through shared memory.  Worker and keeper. */
#include "copy.h"

#include <errno.h>
#include <unistd.h>

#include "splice.h"

/* The shared memory begins on a page: a copy from the socket costs three times as much where source and destination lie a few bytes
 * apart within theirs (docs/performance.md). */
#define PAGE 4096

bool copy_pays(const struct body *b, const struct sink *to)
{
	return b->framing == HTTP_BODY_LENGTH && b->left >= COPY_LEAST && to->room;
}

static size_t least(size_t a, uint64_t b)
{
	return a < b ? a : (size_t)b;
}

/* What may come back needs a place: a buffer has room for what a sink without pipes gives back, not for all. */
static bool has_place(struct conn *c, const struct sink *to)
{
	return !to->may_pipe || !to->may_pipe(to) || splice_take_pipe(c) == 0;
}

ssize_t copy_fill(struct body *b, struct conn *c, const struct sink *to, size_t max, struct strview *ret_bytes)
{
	struct upstream *u = c->key->pool->upstream;

	if (!c->transport.readable)
		return -EAGAIN;
	const size_t room = to->room(to);
	if (room < COPY_LEAST)
		return -ENOTSUP;
	if (!u->copied)
		u->copied = aligned_alloc(PAGE, COPY_BYTES);
	if (!u->copied || !has_place(c, to))
		return -ENOTSUP;
	buf_return(&c->in, &u->bufs); /* empty, and not needed for as long as this goes on */
	const ssize_t n = transport_read(&c->transport, u->copied, least(least(least(COPY_BYTES, room), max), b->left));
	if (n <= 0) {
		splice_release(c);
		return n;
	}
	*ret_bytes = sv_make(u->copied, (size_t)n);
	b->left -= (uint64_t)n;
	b->ended = b->exact = b->left == 0;
	stats_add(&u->heritage->stats->upstream_bytes_in, (uint64_t)n);
	return n;
}

static int keep_in_pipe(struct conn *c, struct strview rest)
{
	ssize_t n;

	do
		n = write(c->pipe.in, rest.p, rest.n);
	while (n < 0 && errno == EINTR);
	c->pipe.held = n > 0 ? (size_t)n : 0;
	return n < 0 ? -errno : (size_t)n < rest.n ? -ENOBUFS : 0;
}

static int keep_in_buffer(struct conn *c, struct strview rest)
{
	const int r = buf_borrow(&c->in, &c->key->pool->upstream->bufs);

	if (r < 0)
		return r;
	return buf_put(&c->in, rest) ? 0 : -ENOBUFS;
}

int copy_keep(struct conn *c, struct strview rest)
{
	if (rest.n == 0) {
		splice_release(c);
		return 0;
	}
	return c->pipe.in >= 0 ? keep_in_pipe(c, rest) : keep_in_buffer(c, rest);
}
