/* Byte ranges and what answers say of them.  Worker and keeper. */
#include "range.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "num.h"

/* --- Content-Range --------------------------------------------------------------------------------------- */

static int number(struct strview s, uint64_t *ret)
{
	return num_u64(s, RANGE_BYTES_MAX, ret) < 0 ? -EINVAL : 0;
}

/* "A-B" */
static int parse_bytes(struct strview s, struct range_content *c)
{
	struct strview first;
	uint64_t last;

	if (!sv_cut(&s, '-', &first) || number(first, &c->first) < 0 || number(s, &last) < 0 || c->first > last)
		return -EINVAL;
	c->end = last + 1;
	return c->total != RANGE_UNKNOWN && c->end > c->total ? -EINVAL : 0;
}

int range_parse(struct strview value, struct range_content *ret)
{
	struct range_content c = { .total = RANGE_UNKNOWN };
	struct strview unit, part;

	if (!sv_cut(&value, ' ', &unit) || !sv_eq_nocase(unit, SV("bytes")) || !sv_cut(&value, '/', &part))
		return -EINVAL;
	const bool any = sv_eq(value, SV("*"));
	if (!any && number(value, &c.total) < 0)
		return -EINVAL;
	c.unsatisfied = sv_eq(part, SV("*"));
	if (c.unsatisfied ? any : parse_bytes(part, &c) < 0)
		return -EINVAL;
	*ret = c;
	return 0;
}

/* The one Content-Range of a head. */
static bool content_of(const struct http_head *h, struct range_content *ret)
{
	return http_head_count(h, SV("Content-Range")) == 1
	       && range_parse(http_head_value(h, SV("Content-Range")), ret) == 0;
}

/* --- what the client is given ---------------------------------------------------------------------------- */

/* Its bytes are those of the whole, one after the other. */
static bool is_plain(const struct http_head *h)
{
	struct strview rest = http_head_value(h, SV("Content-Type")), type = SV_NONE;

	for (unsigned i = 0; i < h->fields; i++)
		if (sv_eq_nocase(h->field[i].name, SV("Content-Encoding"))
		    && !sv_eq_nocase(h->field[i].value, SV("identity")))
			return false;
	return !sv_cut(&rest, ';', &type) || !sv_eq_nocase(sv_trim(type), SV("multipart/byteranges"));
}

static bool begin_part(struct range *r, const struct http_head *h)
{
	struct range_content c;

	if (!content_of(h, &c) || c.unsatisfied)
		return false;
	if (h->framing == HTTP_BODY_LENGTH && h->content_length != c.end - c.first)
		return false;
	*r = (struct range){ c.first, c.end, c.total };
	return true;
}

bool range_begin(struct range *r, const struct http_head *h)
{
	if ((h->framing != HTTP_BODY_LENGTH && h->framing != HTTP_BODY_CHUNKED) || !is_plain(h))
		return false;
	if (h->status == 206)
		return begin_part(r, h);
	if (h->status != 200)
		return false;
	if (h->framing == HTTP_BODY_LENGTH && h->content_length > RANGE_BYTES_MAX)
		return false;
	uint64_t total = h->framing == HTTP_BODY_LENGTH ? h->content_length : RANGE_UNKNOWN;
	*r = (struct range){ 0, total, total };
	return true;
}

void range_text(const struct range *r, uint64_t most, char dst[RANGE_TEXT_MAX])
{
	uint64_t end = r->end;

	if (most != RANGE_UNKNOWN && (end == RANGE_UNKNOWN || end - r->next > most))
		end = r->next + most;
	if (end == RANGE_UNKNOWN || end == r->total)
		(void)snprintf(dst, RANGE_TEXT_MAX, "bytes=%" PRIu64 "-", r->next);
	else
		(void)snprintf(dst, RANGE_TEXT_MAX, "bytes=%" PRIu64 "-%" PRIu64, r->next, end - 1);
}

/* --- what comes ------------------------------------------------------------------------------------------ */

static enum range_verdict another(struct range_answer *a, const char *why)
{
	a->why = why;
	return RANGE_ANOTHER;
}

/* The total is known now, and with it, unless the client asked for less, the end. */
static bool learn_total(struct range *r, uint64_t total)
{
	if (r->total != RANGE_UNKNOWN || total == RANGE_UNKNOWN)
		return total == RANGE_UNKNOWN || r->total == total;
	if (total < r->next || (r->end != RANGE_UNKNOWN && r->end > total))
		return false;
	r->total = total;
	if (r->end == RANGE_UNKNOWN)
		r->end = total;
	return true;
}

static enum range_verdict judge_part(struct range *r, const struct http_head *h, struct range_answer *a)
{
	struct range_content c;

	if (!content_of(h, &c) || c.unsatisfied)
		return another(a, "206 without one good Content-Range");
	if (c.first != r->next)
		return another(a, "206 begins at another byte");
	if (h->framing == HTTP_BODY_NONE)
		return another(a, "206 without a body");
	if (h->framing == HTTP_BODY_LENGTH && h->content_length != c.end - c.first)
		return another(a, "206 of another length than its Content-Range");
	if (c.total == RANGE_UNKNOWN && r->end == RANGE_UNKNOWN)
		return another(a, "206 that does not say where the whole ends");
	if (!learn_total(r, c.total))
		return another(a, "206 of a whole of another length");
	if (c.end > r->end)
		return another(a, "206 of more than was asked for");
	a->until = c.end;
	return RANGE_GOES_ON;
}

static enum range_verdict judge_whole(struct range *r, const struct http_head *h, struct range_answer *a)
{
	if (h->framing == HTTP_BODY_NONE)
		return another(a, "200 without a body");
	if (h->framing == HTTP_BODY_CLOSE && r->end == RANGE_UNKNOWN)
		return another(a, "200 that does not say where it ends");
	if (h->framing == HTTP_BODY_LENGTH) {
		if (h->content_length > RANGE_BYTES_MAX || !learn_total(r, h->content_length))
			return another(a, "200 of a whole of another length");
		a->until = h->content_length;
	}
	a->skip = r->next;
	return RANGE_GOES_ON;
}

static enum range_verdict judge_nothing(struct range *r, const struct http_head *h, struct range_answer *a)
{
	struct range_content c;

	if (!content_of(h, &c) || !c.unsatisfied)
		return another(a, "416 without one good Content-Range");
	if (c.total != r->next || !learn_total(r, c.total))
		return another(a, "416 although bytes are missing");
	return RANGE_COMPLETE;
}

enum range_verdict range_judge(struct range *r, const struct http_head *h, struct range_answer *ret)
{
	*ret = (struct range_answer){ .until = RANGE_UNKNOWN };
	if (h->status == 416)
		return judge_nothing(r, h, ret);
	if (!is_plain(h))
		return another(ret, "its bytes are coded or in several parts");
	return h->status == 206 ? judge_part(r, h, ret) : judge_whole(r, h, ret);
}
