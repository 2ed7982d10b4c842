/* The answer to a POST as it comes in.  Keeper. */
#include "post_answer.h"

#include <errno.h>

static const struct gate_limits limits = { .line = POST_HEAD_MAX, .head = POST_HEAD_MAX, .fields = 64 };

static int refuse(struct post_answer *a, const char *what, const char *why)
{
	a->what = what;
	a->why = why ? why : "";
	return -EBADMSG;
}

/* As post_answer_take, of a chunked body. */
static int take_chunks(struct post_answer *a, struct buf *in, struct buf *text)
{
	struct strview data;
	size_t used;
	int r = 0;

	while (buf_len(in) && r == 0) {
		struct strview bytes = buf_view(in);
		r = chunk_feed(&a->chunk, bytes.p, bytes.n, &used, &data);
		if (r < 0 || buf_len(text) + data.n > POST_BODY_MAX || !buf_put(text, data))
			return refuse(a, "answers with a malformed or too large body", "");
		buf_consume(in, used);
	}
	return r;
}

/* As post_answer_take, of the body. */
static int take_body(struct post_answer *a, struct buf *in, struct buf *text)
{
	const struct http_head *h = &a->head;

	if (h->framing == HTTP_BODY_CHUNKED)
		return take_chunks(a, in, text);
	if (h->framing == HTTP_BODY_NONE)
		return 1;
	const bool ends = h->framing == HTTP_BODY_LENGTH;
	const uint64_t left = ends ? h->content_length - buf_len(text) : UINT64_MAX;
	const struct strview bytes = sv_make(buf_view(in).p, buf_len(in) < left ? buf_len(in) : (size_t)left);
	if (buf_len(text) + bytes.n > POST_BODY_MAX || !buf_put(text, bytes))
		return refuse(a, "answers with more than 64 KiB", "");
	buf_consume(in, bytes.n);
	return ends && buf_len(text) == h->content_length;
}

/* 1 = the head is there (and off in), 0 = more to come, -EBADMSG. */
static int take_head(struct post_answer *a, struct buf *in)
{
	for (;;) {
		struct strview bytes = buf_view(in);
		const enum wire_result r = bytes.n ? wire_feed(&a->wire, bytes.p, bytes.n, &a->head) : WIRE_MORE;
		if (r == WIRE_MORE)
			return 0;
		if (r != WIRE_DONE)
			return refuse(a, "answers with no HTTP", a->wire.why);
		buf_consume(in, a->head.bytes);
		if (a->head.status >= 200)
			break;
		if (++a->interim > POST_INTERIM_MAX)
			return refuse(a, "answers with too many interim heads", "");
		wire_init_response(&a->wire, &limits, false);
	}
	if (a->head.framing == HTTP_BODY_LENGTH && a->head.content_length > POST_BODY_MAX)
		return refuse(a, "answers with more than 64 KiB", "");
	chunk_init(&a->chunk);
	a->in_body = true;
	return 1;
}

void post_answer_init(struct post_answer *a)
{
	*a = (struct post_answer){ .what = "", .why = "" };
	wire_init_response(&a->wire, &limits, false);
}

int post_answer_take(struct post_answer *a, struct buf *in, struct buf *text)
{
	const int r = a->in_body ? 1 : take_head(a, in);

	return r == 1 ? take_body(a, in, text) : r;
}

bool post_answer_ends(const struct post_answer *a)
{
	return a->in_body && a->head.framing == HTTP_BODY_CLOSE;
}
