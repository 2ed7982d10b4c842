/* URLs of the registry in an answer.  Worker. */
#include "links.h"

/* The path and query of a URL that is the registry's own; false: it is not, or no URL. */
static bool own_path(struct strview url, const struct route *r, struct strview *ret)
{
	struct url parsed;
	struct err why;

	if (url.n && url.p[0] == '/' && (url.n == 1 || url.p[1] != '/')) {
		*ret = url;
		return true;
	}
	if (url_parse(url, &parsed, &why) < 0 || !url_hostport_eq(&parsed.at, &r->registry->host))
		return false;
	*ret = parsed.path.n ? parsed.path : SV("/");
	return true;
}

static bool put_path(struct buf *b, struct strview path, const struct route *r)
{
	struct strview rest = path;
	bool content = r->prefixed && sv_starts(path, SV("/v2/")) && path.n > 4;

	if (content) {
		rest = sv_from(path, 4);
		if (!buf_printf(b, "/v2/%s/", r->registry->prefix))
			return false;
	}
	if (!buf_put(b, rest))
		return false;
	return !r->ns[0] || buf_printf(b, "%cns=%s", memchr(path.p, '?', path.n) ? '&' : '?', r->ns);
}

bool links_put_location(struct buf *b, struct strview value, const struct route *r)
{
	struct strview path;

	return own_path(value, r, &path) ? put_path(b, path, r) : buf_put(b, value);
}

bool links_put_link(struct buf *b, struct strview value, const struct route *r)
{
	while (value.n) {
		const char *open = memchr(value.p, '<', value.n);
		const char *close = open ? memchr(open, '>', value.n - (size_t)(open - value.p)) : NULL;
		if (!close)
			break;
		struct strview url = sv_make(open + 1, (size_t)(close - open) - 1);
		if (!buf_put(b, sv_make(value.p, (size_t)(open - value.p) + 1)) || !links_put_location(b, url, r))
			return false;
		value = sv_from(value, (size_t)(close - value.p));
	}
	return buf_put(b, value);
}
