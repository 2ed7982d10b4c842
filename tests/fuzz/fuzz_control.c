/* Requests of the control socket: the verdict does not depend on how the bytes arrive. */
#include "control_http.h"
#include "fuzz.h"

static enum control_progress feed(struct strview all, size_t step, struct control_request *rq, struct control_refusal *refusal)
{
	enum control_progress r = CONTROL_MORE;

	control_request_init(rq);
	for (size_t n = step < all.n ? step : all.n; r == CONTROL_MORE; n = n + step < all.n ? n + step : all.n) {
		r = control_request_feed(rq, all.p, n, refusal);
		if (n == all.n)
			break;
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct control_request whole, parts;
	struct control_refusal refusal = { .status = 0 }, other = { .status = 0 };
	struct strview all;

	if (size < 2)
		return 0;
	all = fuzz_text(data + 1, size - 1);
	const enum control_progress r = feed(all, all.n, &whole, &refusal);
	FUZZ_ASSERT(feed(all, 1u + data[0] % 16, &parts, &other) == r);
	if (r == CONTROL_REFUSED)
		FUZZ_ASSERT(refusal.status >= 400 && refusal.status == other.status && refusal.why && refusal.why[0]);
	if (r == CONTROL_COMPLETE)
		FUZZ_ASSERT(whole.call == parts.call && whole.head == parts.head && whole.body == parts.body
		            && whole.head + whole.body <= all.n);
	return 0;
}
