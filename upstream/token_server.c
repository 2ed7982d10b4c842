/* Which token server a realm means.  Worker and keeper. */
#include "token_server.h"

#include <string.h>

/* Two readers must not see two paths. */
static bool is_plain(struct strview path)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '%' || path.p[i] == '\\' || path.p[i] == ';')
			return false;
	return !sv_contains(path, SV("//")) && !sv_contains(path, SV("/."));
}

/* Pulls have at least two components behind /v2/, and so have uploads; a token server that lives there has one. */
static bool is_distribution(struct strview path)
{
	if (sv_eq(path, SV("/v2")) || sv_eq(path, SV("/v2/")))
		return true;
	if (!sv_starts(path, SV("/v2/")))
		return false;
	const struct strview rest = sv_from(path, 4);
	return memchr(rest.p, '/', rest.n) != NULL || rest.p[0] == '_';
}

static enum error_id refuse(struct token_server *t, enum error_id id, const char *detail)
{
	(void)sv_copy(t->detail, sizeof(t->detail), sv_str(detail));
	return id;
}

/* RFC 9110 knows no realm that is a path, but some write it so. */
static bool read_realm(const struct conf_registry *g, struct strview realm, struct url *ret)
{
	struct err why;

	if (!sv_starts(realm, SV("/")))
		return url_parse(realm, ret, &why) == 0;
	*ret = (struct url){ .at = g->host, .path = realm, .https = g->scheme == CONF_SCHEME_HTTPS };
	return true;
}

enum error_id token_server_find(const struct conf_registry *g, struct strview realm, struct token_server *ret)
{
	struct url url;

	memset(ret, 0, sizeof(*ret));
	if (!read_realm(g, realm, &url))
		return refuse(ret, ERROR_TOKEN_REALM, "it is no http(s) URL, or too long");
	ret->query = url.path.n ? url.path : SV("/");
	(void)sv_cut(&ret->query, '?', &ret->path);
	if (!url_is_query(ret->path) || !url_is_query(ret->query) || !is_plain(ret->path))
		return refuse(ret, ERROR_TOKEN_REALM, "its path is not plain");
	ret->at = conf_hosts_find(&g->token_at, &url.at, ret->path);
	ret->https = url.https;
	if (ret->at && conf_is_downgrade(g, url.https))
		return refuse(ret, ERROR_TOKEN_REALM, "http, from a registry that is spoken to with TLS");
	if (ret->at)
		return ERROR_NONE;
	if (!url_hostport_eq(&url.at, &g->host)) {
		url_authority(&url.at, ret->detail);
		return ERROR_TOKEN_HOST;
	}
	if (is_distribution(ret->path))
		return refuse(ret, ERROR_TOKEN_REALM, "it is where the registry has its content");
	return ERROR_NONE;
}
