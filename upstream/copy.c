/* The body of an answer copied through shared memory.  Worker and keeper. */
#include "copy.h"

#include <errno.h>

bool copy_pays(const struct body *b, const struct sink *to)
{
	return b->framing == HTTP_BODY_LENGTH && b->left >= COPY_LEAST && to->room;
}

static size_t least(size_t a, uint64_t b)
{
	return a < b ? a : (size_t)b;
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
		u->copied = aligned_alloc(BUF_PAGE, COPY_BYTES);
	if (!u->copied)
		return -ENOTSUP;
	buf_return(&c->in, &u->bufs); /* empty, and not needed for as long as this goes on */
	const ssize_t n = transport_read(&c->transport, u->copied, least(least(COPY_BYTES, room), b->left < max ? b->left : max));
	if (n <= 0)
		return n;
	*ret_bytes = sv_make(u->copied, (size_t)n);
	b->left -= (uint64_t)n;
	b->ended = b->exact = b->left == 0;
	stats_add(&u->heritage->stats->upstream_bytes_in, (uint64_t)n);
	return n;
}

int copy_keep(struct conn *c, struct strview rest)
{
	const int r = buf_borrow(&c->in, &c->key->pool->upstream->bufs);

	if (r < 0)
		return r;
	return buf_put(&c->in, rest) ? 0 : -ENOBUFS;
}
