/* The head of an answer as it comes from the upstream.  Worker and keeper. */
#include "response.h"

#include <errno.h>

/* The Cloud Connector's own limit is 8 KiB, other ways have others; what is longer than our buffer is
 * nobody's. */
static const struct gate_limits limits = {
	.line = UPSTREAM_BUF_SIZE, .head = UPSTREAM_BUF_SIZE, .fields = HTTP_FIELDS_MAX,
};

void response_init(struct response *r, bool head_request)
{
	r->interim = 0;
	r->begun = false;
	r->head_request = head_request;
	r->why = NULL;
	wire_init_response(&r->wire, &limits, head_request);
}

static enum response_result bad(struct response *r, const char *why)
{
	r->why = why ? why : "malformed head";
	return RESPONSE_BAD;
}

/* RESPONSE_MORE: an interim head was taken off, go on. */
static enum response_result swallow_interim(struct response *r, struct conn *c)
{
	if (++r->interim > RESPONSE_INTERIM_MAX)
		return bad(r, "too many interim answers");
	buf_consume(&c->in, r->head.bytes);
	buf_compact(&c->in);
	wire_init_response(&r->wire, &limits, r->head_request);
	return RESPONSE_MORE;
}

/* What the bytes read so far say. */
static enum response_result parse(struct response *r, struct conn *c)
{
	while (buf_len(&c->in)) {
		struct strview bytes = buf_view(&c->in);
		enum wire_result w = wire_feed(&r->wire, bytes.p, bytes.n, &r->head);
		if (w == WIRE_MORE)
			return RESPONSE_MORE;
		if (w == WIRE_HEAD_LONG || w == WIRE_LINE_LONG)
			return bad(r, "head of more than 64 KiB or too many fields");
		if (w != WIRE_DONE)
			return bad(r, r->wire.why);
		if (r->head.status >= 200)
			return RESPONSE_DONE;
		if (swallow_interim(r, c) == RESPONSE_BAD)
			return RESPONSE_BAD;
	}
	return RESPONSE_MORE;
}

enum response_result response_read(struct response *r, struct conn *c, int *ret_errno)
{
	for (;;) {
		ssize_t n = conn_fill(c);
		if (n == -EAGAIN)
			return RESPONSE_MORE;
		if (n == -ENOMEM)
			return RESPONSE_MEMORY;
		if (n == -ENOBUFS)
			return bad(r, "head of more than 64 KiB");
		if (n <= 0) {
			*ret_errno = (int)-n;
			return RESPONSE_BROKE;
		}
		r->begun = true;
		enum response_result got = parse(r, c);
		if (got != RESPONSE_MORE)
			return got;
	}
}
