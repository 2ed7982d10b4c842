/* What holds for every parsed head; for fuzz_request and fuzz_response. */
#ifndef FUZZ_HEAD_H
#define FUZZ_HEAD_H

#include "fuzz.h"
#include "http_wire.h"

/* Feeds the head in pieces of `step` bytes; the verdict. */
static inline enum wire_result fuzz_feed(struct wire *w, struct strview all, size_t step, struct http_head *h)
{
	enum wire_result r = WIRE_MORE;

	for (size_t n = step < all.n ? step : all.n; r == WIRE_MORE; n = n + step < all.n ? n + step : all.n) {
		r = wire_feed(w, all.p, n, h);
		if (n == all.n)
			break;
	}
	return r;
}

static inline void fuzz_check_fields(const struct http_head *h, struct strview all)
{
	FUZZ_ASSERT(h->bytes > 0 && h->bytes <= all.n && all.p[h->bytes - 1] == '\n');
	for (unsigned i = 0; i < h->fields; i++) {
		struct strview v = h->field[i].value;
		fuzz_assert_within(h->field[i].name, all);
		fuzz_assert_within(v, all);
		FUZZ_ASSERT(http_is_token(h->field[i].name));
		for (size_t k = 0; k < v.n; k++)
			FUZZ_ASSERT(((unsigned char)v.p[k] >= 0x20 && v.p[k] != 0x7f) || v.p[k] == '\t');
	}
}

/* Writes start line and fields anew; what a strict reader makes of that must be the same. */
static inline void fuzz_check_rebuilt(const struct http_head *h, struct strview start, struct wire *again)
{
	static uint8_t mem[256 * 1024];
	static struct http_head other;
	struct buf b = { .mem = mem, .cap = sizeof(mem) };

	FUZZ_ASSERT(buf_put(&b, start));
	for (unsigned i = 0; i < h->fields; i++)
		FUZZ_ASSERT(http_put_field(&b, h->field[i].name, h->field[i].value));
	FUZZ_ASSERT(buf_put(&b, SV("\r\n")));
	FUZZ_ASSERT(wire_feed(again, buf_view(&b).p, buf_len(&b), &other) == WIRE_DONE);
	FUZZ_ASSERT(other.bytes == buf_len(&b) && other.fields == h->fields && other.framing == h->framing);
	FUZZ_ASSERT(other.content_length == h->content_length && other.keep_alive == h->keep_alive);
	for (unsigned i = 0; i < h->fields; i++)
		FUZZ_ASSERT(sv_eq(other.field[i].name, h->field[i].name) && sv_eq(other.field[i].value, h->field[i].value));
}

#endif
