/* Response heads, also those to HEAD and CONNECT (to_head: nothing is a body): as fuzz_request. */
#include "fuzz_head.h"

static const struct gate_limits limits = { .line = 65536, .head = 65536, .fields = 100 }, wide = { .line = 65536, .head = 131072, .fields = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head whole, parts;
	struct strview all;
	struct wire w;
	char start[64];

	if (size < 2)
		return 0;
	wire_setup(wide.head);
	const bool to_head = data[0] & 1;
	all = fuzz_text(data + 1, size - 1);
	wire_init_response(&w, &limits, to_head);
	const enum wire_result r = fuzz_feed(&w, all, all.n, &whole);
	wire_init_response(&w, &limits, to_head);
	FUZZ_ASSERT(fuzz_feed(&w, all, 1u + data[0] / 2 % 16, &parts) == r);
	if (r != WIRE_DONE)
		return 0;
	FUZZ_ASSERT(whole.status >= 100 && whole.status <= 599 && whole.status != 101);
	FUZZ_ASSERT(parts.status == whole.status && parts.bytes == whole.bytes && parts.framing == whole.framing);
	fuzz_check_fields(&whole, all);
	fuzz_assert_within(whole.reason, all);
	const int n = snprintf(start, sizeof(start), "HTTP/1.%u %u \r\n", whole.minor, whole.status);
	wire_init_response(&w, &wide, to_head);
	fuzz_check_rebuilt(&whole, sv_make(start, (size_t)n), &w);
	return 0;
}
