/* Content-Range and the judging of answers to a request for the rest: whatever they say, the client gets neither a byte from
 * another place nor one beyond its end, and what is known of the whole does not change. */
#include "fuzz.h"
#include "range.h"

/* The input: status, framing, four numbers, then the field's value. */
struct input {
	uint8_t status, framing;
	uint64_t length, next, end, total;
};
#define INPUT_BYTES (2 + 4 * 8)

static void read_input(const uint8_t *data, struct input *in)
{
	in->status = data[0];
	in->framing = data[1];
	memcpy(&in->length, data + 2, 8);
	memcpy(&in->next, data + 10, 8);
	memcpy(&in->end, data + 18, 8);
	memcpy(&in->total, data + 26, 8);
}

static void check_parse(struct strview text)
{
	struct range_content c, again;
	char written[128];

	if (range_parse(text, &c) < 0)
		return;
	FUZZ_ASSERT(c.total == RANGE_UNKNOWN || c.total <= RANGE_BYTES_MAX);
	if (c.unsatisfied) {
		FUZZ_ASSERT(c.total != RANGE_UNKNOWN);
		return;
	}
	FUZZ_ASSERT(c.first < c.end && c.end <= c.total);
	if (c.total == RANGE_UNKNOWN)
		(void)snprintf(written, sizeof(written), "bytes %ju-%ju/*", (uintmax_t)c.first, (uintmax_t)c.end - 1);
	else
		(void)snprintf(written, sizeof(written), "bytes %ju-%ju/%ju", (uintmax_t)c.first, (uintmax_t)c.end - 1, (uintmax_t)c.total);
	FUZZ_ASSERT(range_parse(sv_str(written), &again) == 0 && again.first == c.first && again.end == c.end && again.total == c.total);
}

/* The invariant of struct range. */
static bool sane(const struct range *r)
{
	return r->next <= r->end && (r->end == RANGE_UNKNOWN ? r->total == RANGE_UNKNOWN : r->end <= r->total);
}

static struct range wanted(const struct input *in)
{
	struct range r = { in->next, in->end, in->total };

	if (r.next > RANGE_BYTES_MAX / 2)
		r.next %= RANGE_BYTES_MAX / 2;
	if (r.end != RANGE_UNKNOWN)
		r.end = r.next + 1 + r.end % (RANGE_BYTES_MAX / 4);
	if (r.end == RANGE_UNKNOWN || r.total == RANGE_UNKNOWN)
		r.total = RANGE_UNKNOWN;
	else
		r.total = r.end + r.total % (RANGE_BYTES_MAX / 4);
	return r;
}

static void check_judge(const struct range *before, const struct http_head *h)
{
	struct range r = *before;
	struct range_answer a;
	char text[RANGE_TEXT_MAX];

	FUZZ_ASSERT(sane(&r));
	range_text(&r, RANGE_UNKNOWN, text);
	range_text(&r, 4096, text);
	switch (range_judge(&r, h, &a)) {
	case RANGE_ANOTHER:
		FUZZ_ASSERT(a.why && a.why[0]);
		return;
	case RANGE_COMPLETE:
		FUZZ_ASSERT(h->status == 416 && r.next == before->next && r.end == r.next);
		break;
	case RANGE_GOES_ON:
		FUZZ_ASSERT(r.next == before->next && a.skip == (h->status == 206 ? 0 : r.next));
		FUZZ_ASSERT(h->status != 206 || (a.until > r.next && a.until <= r.end));
		FUZZ_ASSERT(a.until == RANGE_UNKNOWN || (r.end != RANGE_UNKNOWN && (h->status == 206 || a.until >= r.end)));
		break;
	}
	FUZZ_ASSERT(sane(&r));
	FUZZ_ASSERT(before->end == RANGE_UNKNOWN || r.end == before->end);
	FUZZ_ASSERT(before->total == RANGE_UNKNOWN || r.total == before->total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned statuses[] = { 200, 206, 416 };
	static struct http_head head;
	struct input in;
	struct range r;

	if (size < INPUT_BYTES)
		return 0;
	read_input(data, &in);
	struct strview text = fuzz_text(data + INPUT_BYTES, size - INPUT_BYTES);
	check_parse(text);
	head.status = statuses[in.status % 3];
	head.framing = (enum http_framing)(in.framing % 4);
	head.content_length = in.length;
	head.fields = 0;
	if (text.n)
		http_head_add(&head, SV("Content-Range"), text);
	r = wanted(&in);
	check_judge(&r, &head);
	if (range_begin(&r, &head))
		FUZZ_ASSERT(sane(&r));
	return 0;
}
