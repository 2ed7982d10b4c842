/* Rewrites the realms of Bearer challenges.  Worker. */
#include "challenge.h"

#include <stdio.h>

#include "base64.h"
#include "http_head.h"
#include "token.h"

/* A parameter of a challenge; views into the value. */
struct parameter {
	struct strview name;
	const char *from, *to; /* its value, with the quotes when it has them */
	bool quoted;
};

struct reader {
	const char *p, *end;
};

static void skip(struct reader *r, const char *bytes)
{
	while (r->p < r->end && strchr(bytes, *r->p) && *r->p)
		r->p++;
}

static struct strview token(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && http_is_token(sv_make(r->p, 1)))
		r->p++;
	return sv_make(from, (size_t)(r->p - from));
}

/* At the '"': moves behind the closing one.  False: there is none. */
static bool quoted(struct reader *r)
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

/* After a token: 1 = it was the name of a parameter, *ret is filled; 0 = it was a scheme; -1 = neither. */
static int parameter(struct reader *r, struct strview name, struct parameter *ret)
{
	struct reader ahead = *r;

	skip(&ahead, " \t");
	if (ahead.p == ahead.end || *ahead.p != '=')
		return 0;
	ahead.p++;
	skip(&ahead, " \t");
	*ret = (struct parameter){ .name = name, .from = ahead.p, .quoted = ahead.p < ahead.end && *ahead.p == '"' };
	if (ret->quoted ? !quoted(&ahead) : token(&ahead).n == 0)
		return -1;
	ret->to = ahead.p;
	*r = ahead;
	return 1;
}

/* The bytes that a parameter's value means; false: more than cap. */
static bool unquote(const struct parameter *p, char *dst, size_t cap, size_t *ret_n)
{
	const char *at = p->from + p->quoted, *end = p->to - p->quoted;
	size_t n = 0;

	for (; at < end; at++) {
		if (p->quoted && *at == '\\' && at + 1 < end)
			at++;
		if (n == cap)
			return false;
		dst[n++] = *at;
	}
	*ret_n = n;
	return true;
}

/* A realm without a host is a path of the registry's own (RFC 9110 knows none, but some write it so). */
static bool complete(const struct challenge_at *at, char *realm, size_t *n)
{
	char whole[CHALLENGE_REALM_MAX + 1];

	if (*n == 0 || realm[0] != '/' || (*n > 1 && realm[1] == '/'))
		return true;
	int r = snprintf(whole, sizeof(whole), "%s://%s%.*s", at->registry->scheme == CONF_SCHEME_HTTPS ? "https" : "http",
	                 at->registry->authority, (int)*n, realm);
	if (r < 0 || (size_t)r >= sizeof(whole))
		return false;
	memcpy(realm, whole, (size_t)r);
	*n = (size_t)r;
	return true;
}

static bool put_realm(struct buf *b, const struct parameter *p, const struct challenge_at *at)
{
	char realm[CHALLENGE_REALM_MAX + 1], encoded[BASE64URL_MAX(sizeof(realm)) + 1];
	size_t n = 0;

	if (!unquote(p, realm, CHALLENGE_REALM_MAX, &n) || !complete(at, realm, &n))
		n = 0;
	(void)base64url_encode(sv_make(realm, n), encoded);
	return buf_printf(b, "\"http://" SV_FMT "%s%s/%s\"", SV_ARG(at->host), TOKEN_PATH, at->registry->name, encoded);
}

static bool is_realm(const struct parameter *p, struct strview scheme)
{
	return sv_eq_nocase(scheme, SV("Bearer")) && sv_eq_nocase(p->name, SV("realm"));
}

/* Copies what lies between the realms.  1 = all done; 0 = this is no list of challenges; -1 = no room. */
static int rewrite(struct buf *b, struct strview value, const struct challenge_at *at)
{
	struct reader r = { value.p, value.p + value.n };
	struct strview scheme = SV_NONE;
	const char *copied = r.p;

	while (skip(&r, " \t,"), r.p < r.end) {
		struct parameter p;
		struct strview name = token(&r);
		int got = name.n ? parameter(&r, name, &p) : -1;
		if (got < 0)
			return 0;
		if (got == 0) {
			scheme = name;
			continue;
		}
		if (!is_realm(&p, scheme))
			continue;
		if (!buf_put(b, sv_make(copied, (size_t)(p.from - copied))) || !put_realm(b, &p, at))
			return -1;
		copied = p.to;
	}
	return buf_put(b, sv_make(copied, (size_t)(r.end - copied))) ? 1 : -1;
}

bool challenge_put(struct buf *b, struct strview value, const struct challenge_at *at)
{
	const size_t before = b->end;

	if (at->host.n == 0)
		return buf_put(b, value);
	int r = rewrite(b, value, at);
	if (r > 0)
		return true;
	b->end = before;
	return r == 0 && buf_put(b, value);
}
