/* Chunked bodies: what our strict decoder takes, http-parser takes as well, with the same bytes and the same end; and the
 * verdict does not depend on how the bytes arrive. */
#include <http_parser.h>

#include "fuzz.h"
#include "http_chunk.h"

#define BODY_MAX (1 << 20)

struct body {
	uint8_t bytes[BODY_MAX];
	size_t n, used;
	int end; /* 1, 0 = more, -1 = malformed */
};

static void decode(struct strview all, size_t step, struct body *ret)
{
	struct chunk c;

	ret->n = ret->used = 0;
	ret->end = 0;
	chunk_init(&c);
	while (ret->used < all.n && ret->end == 0) {
		const size_t left = all.n - ret->used;
		struct strview data;
		size_t used;
		const int r = chunk_feed(&c, all.p + ret->used, step < left ? step : left, &used, &data);
		if (r < 0) {
			ret->end = -1;
			return;
		}
		fuzz_assert_within(data, sv_make(all.p + ret->used, used));
		if (data.n)
			memcpy(ret->bytes + ret->n, data.p, data.n);
		ret->n += data.n;
		ret->used += used;
		ret->end = r;
	}
	FUZZ_ASSERT(chunk_ended(&c) == (ret->end == 1));
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct body *b = p->data;

	memcpy(b->bytes + b->n, at, n);
	b->n += n;
	return 0;
}

static int on_end(http_parser *p)
{
	struct body *b = p->data;

	b->end = 1;
	http_parser_pause(p, 1);
	return 0;
}

static void parse(struct strview all, struct body *ret)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	http_parser_settings settings;
	http_parser p;

	ret->n = 0;
	ret->end = 0;
	http_parser_settings_init(&settings);
	settings.on_body = on_body;
	settings.on_message_complete = on_end;
	http_parser_init(&p, HTTP_RESPONSE);
	p.data = ret;
	FUZZ_ASSERT(http_parser_execute(&p, &settings, head, sizeof(head) - 1) == sizeof(head) - 1);
	ret->used = http_parser_execute(&p, &settings, all.p, all.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct body whole, parts, other;
	struct strview all;

	if (size < 2 || size > BODY_MAX)
		return 0;
	all = fuzz_text(data + 1, size - 1);
	decode(all, all.n, &whole);
	decode(all, 1u + data[0] % 16, &parts);
	FUZZ_ASSERT(parts.end == whole.end);
	if (whole.end < 0)
		return 0;
	FUZZ_ASSERT(parts.n == whole.n && parts.used == whole.used && memcmp(parts.bytes, whole.bytes, whole.n) == 0);
	parse(all, &other);
	FUZZ_ASSERT(other.n == whole.n && memcmp(other.bytes, whole.bytes, whole.n) == 0);
	FUZZ_ASSERT(other.end == whole.end);
	if (whole.end == 1) /* it pauses at the last byte of the end, or behind it */
		FUZZ_ASSERT(other.used == whole.used || other.used + 1 == whole.used);
	return 0;
}
