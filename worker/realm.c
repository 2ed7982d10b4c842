/* Rewrites the realms of Bearer challenges.  Worker. */
#include "realm.h"

#include "base64.h"
#include "challenge.h"
#include "token.h"

static bool put_realm(struct buf *b, const struct challenge_param *p, const struct realm_at *at)
{
	char realm[CHALLENGE_REALM_MAX], encoded[BASE64URL_MAX(sizeof(realm)) + 1];
	const ssize_t n = challenge_value(p, realm, sizeof(realm));

	(void)base64url_encode(sv_make(realm, n > 0 ? (size_t)n : 0), encoded);
	return buf_printf(b, "\"%s://" SV_FMT "%s%s/%s\"", at->tls ? "https" : "http", SV_ARG(at->host), TOKEN_PATH, at->registry->name, encoded);
}

static bool is_realm(const struct challenge_reader *r, const struct challenge_param *p)
{
	return sv_eq_nocase(r->scheme, SV("Bearer")) && sv_eq_nocase(p->name, SV("realm"));
}

static bool put_between(struct buf *b, const char *from, const char *to)
{
	return buf_put(b, sv_make(from, (size_t)(to - from)));
}

/* Copies what lies between the realms.  1 = all done; 0 = this is no list of challenges; -1 = no room. */
static int rewrite(struct buf *b, struct strview value, const struct realm_at *at)
{
	struct challenge_reader r;
	struct challenge_param p;
	const char *copied = value.p;
	enum challenge_item item;

	challenge_begin(&r, value);
	while ((item = challenge_next(&r, &p)) != CHALLENGE_END) {
		if (item == CHALLENGE_BAD)
			return 0;
		if (item != CHALLENGE_PARAM || !is_realm(&r, &p))
			continue;
		if (!put_between(b, copied, p.written.p) || !put_realm(b, &p, at))
			return -1;
		copied = p.written.p + p.written.n;
	}
	return put_between(b, copied, r.end) ? 1 : -1;
}

bool realm_put(struct buf *b, struct strview value, const struct realm_at *at)
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
