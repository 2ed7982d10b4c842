/* The body of an answer moved through a pipe.  Worker and keeper. */
#include "splice.h"

#include <errno.h>
#include <unistd.h>

static struct upstream *upstream_of(const struct conn *c)
{
	return c->key->pool->upstream;
}

bool splice_pays(const struct body *b, const struct conn *c, const struct sink *to)
{
	return b->framing == HTTP_BODY_LENGTH && b->left >= SPLICE_LEAST && to->put_pipe && to->may_pipe(to)
	       && transport_splices_from(&c->transport);
}

static void count_pipes(struct upstream *u)
{
	stats_set(&u->heritage->stats->pipes, u->pipes.open);
}

static void give_back(struct conn *c)
{
	struct upstream *u = upstream_of(c);

	pipes_give(&u->pipes, &c->pipe);
	count_pipes(u);
}

/* An empty pipe; EAGAIN can only mean an empty socket. */
static ssize_t fill(struct body *b, struct conn *c, size_t max)
{
	struct upstream *u = upstream_of(c);
	ssize_t n = transport_to_pipe(&c->transport, c->pipe.in, b->left < max ? (size_t)b->left : max);

	if (n <= 0)
		return n;
	c->pipe.held = (size_t)n;
	b->left -= (uint64_t)n;
	b->ended = b->exact = b->left == 0;
	stats_add(&u->heritage->stats->upstream_bytes_in, (uint64_t)n);
	return n;
}

/* Not this time's error, but a kernel's, or a sandbox', that has no such thing. */
static bool cannot(struct upstream *u, ssize_t n)
{
	if (n != -EINVAL && n != -ENOSYS && n != -EPERM)
		return false;
	u->pipes.off = true;
	return true;
}

int splice_take_pipe(struct conn *c)
{
	struct upstream *u = upstream_of(c);
	const int r = pipes_take(&u->pipes, &c->pipe, loop_now(u->loop));

	if (r == 0)
		count_pipes(u);
	return r;
}

ssize_t splice_fill(struct body *b, struct conn *c, size_t max)
{
	struct upstream *u = upstream_of(c);

	if (!c->transport.readable)
		return -EAGAIN;
	if (splice_take_pipe(c) < 0)
		return -ENOTSUP;
	buf_return(&c->in, &u->bufs); /* empty, and not needed for as long as this goes on */
	ssize_t n = fill(b, c, max);
	if (cannot(u, n))
		n = -ENOTSUP;
	if (n <= 0)
		give_back(c);
	return n;
}

ssize_t splice_give(struct conn *c, struct sink *to, size_t max)
{
	struct stats_slot *stats = upstream_of(c)->heritage->stats;
	ssize_t n = to->put_pipe(to, c->pipe.out, c->pipe.held < max ? c->pipe.held : max);

	if (cannot(upstream_of(c), n))
		return -ENOTSUP;
	if (n <= 0)
		return n < 0 ? n : -EPIPE; /* a pipe that has bytes has an end only when it is broken */
	c->pipe.held -= (size_t)n;
	stats_add(&stats->spliced_bytes, (uint64_t)n);
	if (c->pipe.held == 0)
		give_back(c);
	return n;
}

ssize_t splice_take_back(struct conn *c)
{
	ssize_t n = buf_borrow(&c->in, &upstream_of(c)->bufs);
	const size_t room = buf_room(&c->in);

	if (n < 0)
		return n;
	do
		n = read(c->pipe.out, buf_tail(&c->in), c->pipe.held < room ? c->pipe.held : room);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	buf_filled(&c->in, (size_t)n);
	c->pipe.held -= (size_t)n;
	if (c->pipe.held == 0)
		give_back(c);
	return n;
}

void splice_release(struct conn *c)
{
	if (c->pipe.out >= 0)
		give_back(c);
}
