/* Request heads: the verdict does not depend on how the bytes arrive; what is accepted says the same when it is written anew. */
#include "fuzz_head.h"

static const struct gate_limits limits = { .line = 4096, .head = 8192, .fields = 50 }, wide = { .line = 65536, .head = 131072, .fields = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head whole, parts;
	struct strview all;
	struct wire w;
	char start[16384];

	if (size < 2)
		return 0;
	wire_setup(wide.head);
	const bool body = data[0] & 1;
	all = fuzz_text(data + 1, size - 1);
	wire_init_request(&w, &limits, body);
	const enum wire_result r = fuzz_feed(&w, all, all.n, &whole);
	wire_init_request(&w, &limits, body);
	FUZZ_ASSERT(fuzz_feed(&w, all, 1u + data[0] / 2 % 16, &parts) == r);
	if (r != WIRE_DONE)
		return 0;
	FUZZ_ASSERT(parts.bytes == whole.bytes && parts.fields == whole.fields);
	fuzz_check_fields(&whole, all);
	fuzz_assert_within(whole.target, all);
	const int n = snprintf(start, sizeof(start), SV_FMT " " SV_FMT " HTTP/1.%u\r\n", SV_ARG(whole.method_text), SV_ARG(whole.target),
	                       whole.minor);
	wire_init_request(&w, &wide, body);
	fuzz_check_rebuilt(&whole, sv_make(start, (size_t)n), &w);
	return 0;
}
