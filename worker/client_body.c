/* The client's side of an answer.  Worker. */
#include "client_body.h"

#include <errno.h>

/* A piece up to SMALL is copied behind what waits in `out` (up to GATHER bytes), so that a head and a small
 * body, or many tiny chunks, leave in one write; a larger one is not worth copying. */
#define SMALL  2048
#define GATHER 16384

void client_body_begin(struct client_body *b, bool chunked)
{
	b->chunked = chunked;
	b->chunk_left = 0;
}

/* The socket took n bytes of `out`, then of piece, then of the CRLF that ends its chunk: how many were of
 * piece. */
static size_t account(struct client_body *b, size_t n, size_t piece, bool crlf)
{
	size_t of_out = n < buf_len(b->out) ? n : buf_len(b->out);

	b->written += n;
	buf_consume(b->out, of_out);
	n -= of_out;
	if (n < piece || !crlf)
		return n;
	/* The rest of the CRLF waits in `out`, which is empty now. */
	if (!buf_put(b->out, sv_from(SV("\r\n"), n - piece)))
		assert(!"room for a line end");
	return piece;
}

static ssize_t write_through(struct client_body *b, struct strview piece, bool crlf)
{
	const struct strview held = buf_view(b->out);
	struct iovec part[3];
	int parts = 0;

	if (held.n)
		part[parts++] = (struct iovec){ (void *)(uintptr_t)held.p, held.n };
	part[parts++] = (struct iovec){ (void *)(uintptr_t)piece.p, piece.n };
	if (crlf)
		part[parts++] = (struct iovec){ (void *)(uintptr_t) "\r\n", 2 };
	ssize_t n = transport_writev(b->client, part, parts);
	if (n < 0)
		return n;
	size_t taken = account(b, (size_t)n, piece.n, crlf);
	return taken ? (ssize_t)taken : -EAGAIN;
}

static bool gather(struct client_body *b, struct strview piece, bool crlf)
{
	if (piece.n > SMALL || buf_len(b->out) + piece.n > GATHER
	    || buf_room(b->out) < piece.n + CLIENT_BODY_ROOM)
		return false;
	return buf_put(b->out, piece) && (!crlf || buf_put(b->out, SV("\r\n")));
}

static bool announce_chunk(struct client_body *b, size_t n)
{
	if (buf_room(b->out) < CLIENT_BODY_ROOM || !buf_printf(b->out, "%zx\r\n", n))
		return false;
	b->chunk_left = n;
	return true;
}

static ssize_t body_put(struct sink *sink, struct strview bytes)
{
	struct client_body *b = container_of(sink, struct client_body, sink);
	struct strview piece = bytes;

	if (bytes.n == 0)
		return 0;
	buf_compact(b->out);
	if (b->chunked && b->chunk_left == 0 && !announce_chunk(b, bytes.n))
		return -EAGAIN;
	if (b->chunked && piece.n > b->chunk_left)
		piece.n = (size_t)b->chunk_left;
	bool crlf = b->chunked && piece.n == b->chunk_left;
	ssize_t n = gather(b, piece, crlf) ? (ssize_t)piece.n : write_through(b, piece, crlf);
	if (n > 0 && b->chunked)
		b->chunk_left -= (uint64_t)n;
	return n;
}

static bool body_may_pipe(const struct sink *sink)
{
	const struct client_body *b = container_of((struct sink *)(uintptr_t)sink, struct client_body, sink);

	return !b->chunked && transport_splices_to(b->client);
}

static size_t body_room(const struct sink *sink)
{
	const struct client_body *b = container_of((struct sink *)(uintptr_t)sink, struct client_body, sink);

	return b->chunked || buf_len(b->out) ? 0 : transport_room(b->client);
}

static ssize_t body_put_pipe(struct sink *sink, int pipe, size_t n)
{
	struct client_body *b = container_of(sink, struct client_body, sink);
	int r = client_body_flush(b);

	if (r < 0)
		return r;
	ssize_t taken = transport_from_pipe(b->client, pipe, n);
	if (taken > 0)
		b->written += (uint64_t)taken;
	return taken;
}

void client_body_init(struct client_body *b, struct transport *client, struct buf *out)
{
	*b = (struct client_body){
		.sink = { .put = body_put, .put_pipe = body_put_pipe, .may_pipe = body_may_pipe,
		          .room = body_room },
		.client = client, .out = out };
}

bool client_body_end(struct client_body *b)
{
	if (!b->chunked)
		return true;
	if (b->chunk_left)
		return false;
	buf_compact(b->out);
	if (!buf_put(b->out, SV("0\r\n\r\n")))
		assert(!"room for the last chunk");
	return true;
}

int client_body_flush(struct client_body *b)
{
	while (buf_len(b->out)) {
		const struct strview held = buf_view(b->out);
		ssize_t n = transport_write(b->client, held.p, held.n);
		if (n < 0)
			return (int)n;
		b->written += (uint64_t)n;
		buf_consume(b->out, (size_t)n);
	}
	return 0;
}
