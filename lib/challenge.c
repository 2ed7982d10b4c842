/* Reads challenges.  Any process. */
#include "challenge.h"

#include <errno.h>
#include <string.h>

#include "http_head.h"

static void skip(struct challenge_reader *r, const char *bytes)
{
	while (r->p < r->end && *r->p && strchr(bytes, *r->p))
		r->p++;
}

static struct strview token(struct challenge_reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && http_is_token(sv_make(r->p, 1)))
		r->p++;
	return sv_make(from, (size_t)(r->p - from));
}

/* At the '"': moves behind the closing one.  False: there is none. */
static bool quoted(struct challenge_reader *r)
{
	for (r->p++; r->p < r->end; r->p++) {
		if (*r->p == '"') {
			r->p++;
			return true;
		}
		if (*r->p == '\\')
			r->p++;
	}
	return false;
}

void challenge_begin(struct challenge_reader *r, struct strview value)
{
	*r = (struct challenge_reader){ .p = value.p, .end = value.p + value.n, .scheme = SV_NONE };
}

enum challenge_item challenge_next(struct challenge_reader *r, struct challenge_param *ret)
{
	skip(r, " \t,");
	if (r->p == r->end)
		return CHALLENGE_END;
	const struct strview name = token(r);
	if (!name.n)
		return CHALLENGE_BAD;
	struct challenge_reader ahead = *r;
	skip(&ahead, " \t");
	if (ahead.p == ahead.end || *ahead.p != '=') {
		r->scheme = name;
		return CHALLENGE_SCHEME;
	}
	ahead.p++;
	skip(&ahead, " \t");
	const char *from = ahead.p;
	if (from < ahead.end && *from == '"' ? !quoted(&ahead) : token(&ahead).n == 0)
		return CHALLENGE_BAD;
	*ret = (struct challenge_param){ .name = name, .written = sv_make(from, (size_t)(ahead.p - from)) };
	r->p = ahead.p;
	return CHALLENGE_PARAM;
}

ssize_t challenge_value(const struct challenge_param *p, char *dst, size_t cap)
{
	const bool in_quotes = p->written.p[0] == '"';
	const char *at = p->written.p + in_quotes, *end = p->written.p + p->written.n - in_quotes;
	size_t n = 0;

	for (; at < end; at++) {
		if (in_quotes && *at == '\\' && at + 1 < end)
			at++;
		if (n == cap)
			return -ENOBUFS;
		dst[n++] = *at;
	}
	return (ssize_t)n;
}
