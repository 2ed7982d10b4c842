/* Where a redirect leads to.  Worker. */
#include "redirect.h"

#include <string.h>

bool redirect_is(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The Cloud Connector leads a Location back to the virtual host when it exposes the one that is named there. */
static const struct conf_host *find_virtual(const struct conf_hosts *h, const char *authority)
{
	for (unsigned i = 0; i < h->count; i++)
		if (strcmp(h->item[i].authority, authority) == 0)
			return &h->item[i];
	return NULL;
}

static enum redirect_verdict resolve_url(const struct conf_registry *r, struct strview location, struct redirect *ret)
{
	struct url url;
	struct err why;

	if (url_parse(location, &url, &why) < 0)
		return REDIRECT_BAD;
	url_authority(&url.at, ret->host);
	ret->path = url.path.n ? url.path : SV("/");
	ret->https = url.https;
	if (url_hostport_eq(&url.at, &r->host)) {
		ret->at = NULL;
		return REDIRECT_FOLLOW;
	}
	if (conf_hosts_find(&r->pass_at, &url.at, ret->path))
		return REDIRECT_PASS;
	ret->at = conf_hosts_find(&r->redirect_at, &url.at, ret->path);
	if (!ret->at)
		ret->at = find_virtual(&r->redirect_at, ret->host);
	if (!ret->at)
		return REDIRECT_UNLISTED;
	return conf_is_downgrade(r, url.https) ? REDIRECT_PLAIN : REDIRECT_FOLLOW;
}

/* "/path": on the same host.  "//host/path" is none of these. */
static bool is_path(struct strview s)
{
	if (s.n == 0 || s.p[0] != '/' || (s.n > 1 && s.p[1] == '/'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '#')
			return false;
	return true;
}

enum redirect_verdict redirect_resolve(const struct conf_registry *r, const struct conf_host *from, bool https,
                                       const struct http_head *h, struct redirect *ret)
{
	struct strview location = http_head_value(h, SV("Location"));

	*ret = (struct redirect){ .at = from, .https = https };
	if (http_head_count(h, SV("Location")) != 1)
		return REDIRECT_BAD;
	if (!is_path(location))
		return resolve_url(r, location, ret);
	ret->path = location;
	return REDIRECT_FOLLOW;
}
