/* A parsed HTTP head: looking fields up, and writing them.  Any process that speaks HTTP. */
#include <assert.h>

#include "cleanup.h"
#include "http_head.h"
#include "http_octets.h"

void http_head_add(struct http_head *h, struct strview name, struct strview value)
{
	assert(h->fields < HTTP_FIELDS_MAX);
	h->field[h->fields++] = (struct http_field){ name, value };
	h->name_lengths |= 1ull << (name.n & 63);
	if (sv_eq_nocase(name, SV("Connection")) && !sv_eq_nocase(value, SV("keep-alive")))
		h->connection_names = true;
}

const struct http_field *http_head_search(const struct http_head *h, struct strview name)
{
	for (unsigned i = 0; i < h->fields; i++)
		if (sv_eq_nocase(h->field[i].name, name))
			return &h->field[i];
	return NULL;
}

unsigned http_head_search_all(const struct http_head *h, struct strview name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->fields; i++)
		n += sv_eq_nocase(h->field[i].name, name);
	return n;
}

static bool list_has(struct strview list, struct strview token)
{
	struct strview part;

	while (sv_cut(&list, ',', &part))
		if (sv_eq_nocase(sv_trim(part), token))
			return true;
	return false;
}

bool http_head_has_token(const struct http_head *h, struct strview name, struct strview token)
{
	if (token.n == 0 || !http_head_may_have(h, name))
		return false; /* a list may have empty elements; they say nothing */
	for (unsigned i = 0; i < h->fields; i++)
		if (sv_eq_nocase(h->field[i].name, name) && list_has(h->field[i].value, token))
			return true;
	return false;
}

/* By length, so that each name is compared with two at most. */
static bool is_always_hop_by_hop(struct strview name)
{
	switch (name.n) {
	case 2: return sv_eq_nocase(name, SV("te"));
	case 7: return sv_eq_nocase(name, SV("trailer")) || sv_eq_nocase(name, SV("upgrade"));
	case 10: return sv_eq_nocase(name, SV("Connection")) || sv_eq_nocase(name, SV("keep-alive"));
	case 17: return sv_eq_nocase(name, SV("Transfer-Encoding"));
	default: return false;
	}
}

bool http_head_is_hop_by_hop(const struct http_head *h, struct strview name)
{
	if (name.n > 6 && sv_eq_nocase(sv_make(name.p, 6), SV("proxy-")))
		return true;
	return is_always_hop_by_hop(name) || http_head_names_hop(h, name);
}

bool http_is_token(struct strview s)
{
	return s.n > 0 && http_span(s.p, s.n, HTTP_TCHAR) == s.n;
}

/* A value that would end its line early makes two fields, or two messages, of one. */
static bool fits_one_line(struct strview value)
{
	return http_span_value(value.p, value.n) == value.n;
}

/* Where there is room. */
static char *put(char *dst, struct strview s)
{
	if (s.n)
		memcpy(dst, s.p, s.n);
	return dst + s.n;
}

bool http_put_field(struct buf *b, struct strview name, struct strview value)
{
	const size_t whole = name.n + value.n + SV(": \r\n").n; /* views of memory we hold: the sum cannot wrap */

	if (!http_is_token(name) || !fits_one_line(value) || whole > buf_room(b))
		return false;
	char *p = put((char *)buf_tail(b), name);
	p = put(p, SV(": "));
	p = put(p, value);
	(void)put(p, SV("\r\n"));
	buf_filled(b, whole);
	return true;
}

bool http_head_expects_else(const struct http_head *h)
{
	return h->minor > 0 && !h->expect_continue && http_head_find(h, SV("Expect"));
}
