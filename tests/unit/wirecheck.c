/* wirecheck request|response [bytewise]: reads one message from stdin and prints what gate and parser say of its head,
 * for a response also what becomes of its body.  For the corpora; no test by itself. */
#include <stdio.h>
#include <string.h>

#include "http_chunk.h"
#include "http_wire.h"

#define INPUT_MAX (1 << 20)

static char input[INPUT_MAX];

static const char *const results[] = {
	[WIRE_MORE] = "more",           [WIRE_DONE] = "accept",         [WIRE_BAD] = "reject bad",
	[WIRE_VERSION] = "reject version", [WIRE_LINE_LONG] = "reject line", [WIRE_HEAD_LONG] = "reject head",
	[WIRE_TLS] = "reject tls",      [WIRE_METHOD] = "reject method", [WIRE_HOST] = "reject host",
	[WIRE_BODY] = "reject body",
};

/* The verdict must not depend on how the bytes are cut. */
static enum wire_result feed(struct wire *w, size_t n, bool bytewise, struct http_head *ret)
{
	enum wire_result r = WIRE_MORE;

	for (size_t end = bytewise ? 1 : n; end <= n && r == WIRE_MORE; end++)
		r = wire_feed(w, input, end, ret);
	return r;
}

static const char *chunked_body(const char *p, size_t n, bool bytewise)
{
	struct chunk c;
	int r = 0;

	chunk_init(&c);
	while (n && r == 0) {
		size_t used;
		struct strview data;
		r = chunk_feed(&c, p, bytewise ? 1 : n, &used, &data);
		p += used;
		n -= used;
	}
	return r < 0 ? "reject body" : !chunk_ended(&c) ? "more" : n ? "accept leftover" : "accept";
}

static const char *body(const struct http_head *h, size_t n, bool bytewise)
{
	size_t left = n - h->bytes;

	switch (h->framing) {
	case HTTP_BODY_CHUNKED: return chunked_body(input + h->bytes, left, bytewise);
	case HTTP_BODY_LENGTH:
		return left < h->content_length ? "more" : left > h->content_length ? "accept leftover" : "accept";
	case HTTP_BODY_NONE: return left ? "accept leftover" : "accept";
	default: return "accept";
	}
}

int main(int argc, char **argv)
{
	static const struct gate_limits limits = { .line = 8192, .head = 32768, .fields = 100 };
	struct http_head head;
	struct wire w;

	if (argc < 2)
		return 2;
	bool response = strcmp(argv[1], "response") == 0, bytewise = argc > 2;
	size_t n = fread(input, 1, sizeof(input), stdin);
	wire_setup(limits.head);
	if (response)
		wire_init_response(&w, &limits, false);
	else
		wire_init_request(&w, &limits, false);
	enum wire_result r = feed(&w, n, bytewise, &head);
	if (response && r == WIRE_DONE && head.status >= 200)
		puts(body(&head, n, bytewise));
	else
		printf("%s%s%s\n", results[r], w.why ? ": " : "", w.why ? w.why : "");
	return 0;
}
