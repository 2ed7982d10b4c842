/* What a SOCKS5 server may say: however it is cut into pieces the verdict is the same, and a connection is never taken for open
 * while something of the server's is unread. */
#include "fuzz.h"
#include "socks.h"

static uint8_t in_mem[64 * 1024], out_mem[SOCKS_OUT_MAX];

struct verdict {
	enum socks_result result;
	enum socks_stage stage;
	unsigned reply;
	size_t said; /* by us */
};

/* A server that waits for what we say sends no more than an answer at a time, but for the last: that one gets all there is. */
static struct verdict talk(const struct conf_proxy *proxy, const struct url_hostport *target, struct strview all, size_t step)
{
	struct socks s = { .proxy = proxy, .target = target, .location_id = "plant", .token = SV("a.b.c") };
	struct buf in = { .mem = in_mem, .cap = sizeof(in_mem) }, out = { .mem = out_mem, .cap = sizeof(out_mem) };
	struct verdict v = { .result = SOCKS_MORE };

	FUZZ_ASSERT(socks_begin(&s, &out));
	while (all.n && (v.result == SOCKS_MORE || v.result == SOCKS_SAY)) {
		const size_t want = s.stage == SOCKS_REPLY ? all.n : buf_len(&in) < 2 ? 2 - buf_len(&in) : 1;
		size_t n = want < step ? want : step;
		n = n < all.n ? n : all.n;
		FUZZ_ASSERT(buf_put(&in, sv_make(all.p, n)));
		all = sv_from(all, n);
		v.result = socks_feed(&s, &in, &out);
		FUZZ_ASSERT(v.result != SOCKS_OPEN || buf_len(&in) == 0);
		FUZZ_ASSERT(v.result != SOCKS_OPEN || s.stage == SOCKS_DONE);
		FUZZ_ASSERT(v.result != SOCKS_REFUSED || s.reply != 0);
		FUZZ_ASSERT(v.result != SOCKS_NO_ROOM);
	}
	v.stage = s.stage;
	v.reply = s.reply;
	v.said = buf_len(&out);
	FUZZ_ASSERT(socks_reply_text(s.reply)[0] != '\0');
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_proxy proxy = { .socks_method = { CONF_SOCKS_NONE, CONF_SOCKS_JWT }, .socks_method_count = 2 };
	struct url_hostport target = { .host = "registry.corp", .port = 443 };

	if (size < 1 || size > sizeof(in_mem))
		return 0;
	if (data[0] & 1)
		proxy = (struct conf_proxy){ .socks_method = { CONF_SOCKS_JWT }, .socks_method_count = 1 };
	if (data[0] & 2)
		target = (struct url_hostport){ .host = "::1", .port = 443, .literal = true, .v6 = true };
	const struct strview all = fuzz_text(data + 1, size - 1);
	const struct verdict whole = talk(&proxy, &target, all, all.n), parts = talk(&proxy, &target, all, 1);
	/* One byte at a time nothing is early before the reply is whole; else both agree. */
	if (whole.result != SOCKS_EARLY && whole.result != SOCKS_MORE)
		FUZZ_ASSERT(whole.result == parts.result && whole.stage == parts.stage && whole.said == parts.said && whole.reply == parts.reply);
	return 0;
}
