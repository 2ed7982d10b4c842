/* What a request asks for and which registry has it.  Worker and keeper. */
#include "route.h"

#include <stdarg.h>
#include <stdio.h>

#include "path.h"
#include "policy.h"
#include "token.h"

static bool refuse(struct route *r, enum error_id id, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool refuse(struct route *r, enum error_id id, const char *fmt, ...)
{
	va_list ap;

	r->error = id;
	va_start(ap, fmt);
	(void)vsnprintf(r->detail, sizeof(r->detail), fmt, ap);
	va_end(ap);
	return false;
}

/* --- the query ----------------------------------------------------------------------------------- */

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Decodes a checked (url_is_query) piece into dst; false when it is longer than cap - 1 or holds a NUL. */
static bool decode(struct strview s, char *dst, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			c = (char)(hex_value(s.p[i + 1]) * 16 + hex_value(s.p[i + 2]));
			i += 2;
		}
		if (c == '\0' || n + 1 >= cap)
			return false;
		dst[n++] = c;
	}
	dst[n] = '\0';
	return true;
}

static bool is_ns(struct strview parameter)
{
	return sv_starts(parameter, SV("ns=")) || sv_eq(parameter, SV("ns"));
}

/* `ns` names the registry the client wants (distribution-spec, Registry Proxying).  It is only looked up. */
static bool read_query(struct route *r)
{
	struct strview rest = r->query, parameter;
	unsigned found = 0;

	if (!url_is_query(r->query))
		return refuse(r, ERROR_NAME_INVALID, "bytes in the query that have no place there");
	while (sv_cut(&rest, '&', &parameter)) {
		if (!is_ns(parameter))
			continue;
		struct strview value = parameter.n > 3 ? sv_from(parameter, 3) : SV_NONE;
		if (++found > 1 || !decode(value, r->ns, sizeof(r->ns)) || !url_host_field_ok(sv_str(r->ns)))
			return refuse(r, ERROR_NAME_INVALID, "ns is not one host[:port]");
	}
	return true;
}

/* --- the path ------------------------------------------------------------------------------------ */

static bool cut_last(struct strview *s, struct strview *ret_component)
{
	const char *slash = s->n ? memrchr(s->p, '/', s->n) : NULL;

	if (!slash)
		return false;
	size_t at = (size_t)(slash - s->p);
	*ret_component = sv_from(*s, at + 1);
	s->n = at;
	return true;
}

static bool digest_or_refuse(struct route *r)
{
	return path_is_digest(r->reference) || refuse(r, ERROR_DIGEST_INVALID, SV_FMT, SV_ARG(r->reference));
}

static bool read_reference(struct route *r, struct strview keyword)
{
	if (sv_eq(keyword, SV("manifests"))) {
		r->kind = ROUTE_MANIFEST;
		if (memchr(r->reference.p, ':', r->reference.n))
			return digest_or_refuse(r);
		return path_is_tag(r->reference)
		       || refuse(r, ERROR_NAME_INVALID, "tag " SV_FMT, SV_ARG(r->reference));
	}
	if (sv_eq(keyword, SV("blobs"))) {
		r->kind = ROUTE_BLOB;
		return digest_or_refuse(r);
	}
	if (sv_eq(keyword, SV("referrers"))) {
		r->kind = ROUTE_REFERRERS;
		return digest_or_refuse(r);
	}
	if (sv_eq(keyword, SV("tags")) && sv_eq(r->reference, SV("list"))) {
		r->kind = ROUTE_TAGS;
		return true;
	}
	return refuse(r, ERROR_NAME_INVALID, "no manifests, blobs, tags or referrers in the path");
}

/* Right to left: a repository may itself have a component "blobs" or "manifests". */
static bool read_path(struct route *r, struct strview path)
{
	struct strview rest, keyword;

	if (!sv_starts(path, SV("/v2/"))) {
		if (sv_eq(path, SV("/v2"))) {
			r->kind = ROUTE_PING;
			return true;
		}
		return refuse(r, ERROR_NOT_FOUND, "%s", "");
	}
	rest = sv_from(path, 4);
	if (rest.n == 0) {
		r->kind = ROUTE_PING;
		return true;
	}
	if (!cut_last(&rest, &r->reference) || !cut_last(&rest, &keyword))
		return refuse(r, ERROR_NAME_INVALID, "no manifests, blobs, tags or referrers in the path");
	r->repository = rest;
	if (!path_is_name(r->repository))
		return refuse(r, ERROR_NAME_INVALID, SV_FMT, SV_ARG(r->repository));
	return read_reference(r, keyword);
}

/* --- the registry -------------------------------------------------------------------------------- */

static bool prefix_covers(const struct conf_registry *g, struct strview repository)
{
	struct strview prefix = sv_str(g->prefix);

	return prefix.n && repository.n > prefix.n + 1 && sv_starts(repository, prefix)
	       && repository.p[prefix.n] == '/';
}

static const struct conf_registry *find_ns(const struct conf *c, const struct route *r)
{
	for (unsigned i = 0; r->ns[0] && i < c->registries; i++)
		if (sv_eq_nocase(sv_str(c->registry[i]->ns), sv_str(r->ns)))
			return c->registry[i];
	return NULL;
}

static const struct conf_registry *find_prefix(const struct conf *c, struct strview repository)
{
	const struct conf_registry *best = NULL;

	for (unsigned i = 0; i < c->registries; i++) {
		const struct conf_registry *g = c->registry[i];
		if (prefix_covers(g, repository) && (!best || strlen(g->prefix) > strlen(best->prefix)))
			best = g;
	}
	return best;
}

/* host without its port; an IPv6 literal keeps its brackets. */
static struct strview without_port(struct strview host)
{
	const char *colon = host.n ? memrchr(host.p, ':', host.n) : NULL;

	if (!colon || memchr(colon, ']', host.n - (size_t)(colon - host.p)))
		return host;
	return sv_make(host.p, (size_t)(colon - host.p));
}

static const struct conf_registry *find_host(const struct conf *c, struct strview host)
{
	for (unsigned i = 0; i < c->registries; i++) {
		struct strview wanted = sv_str(c->registry[i]->match_host);
		if (wanted.n && (sv_eq_nocase(wanted, host) || sv_eq_nocase(wanted, without_port(host))))
			return c->registry[i];
	}
	return NULL;
}

static bool find_registry(const struct conf *c, struct strview host, struct route *r)
{
	const struct conf_registry *g = find_ns(c, r);
	bool by_ns = g != NULL;

	if (!g)
		g = find_prefix(c, r->repository);
	if (!g)
		g = find_host(c, host);
	if (!g)
		g = c->default_registry;
	/* A registry that has a namespace of its own is no answer for another one. */
	if (!g || (r->ns[0] && !by_ns && g->ns[0]))
		return refuse(r, ERROR_NS_UNKNOWN, "%s", r->ns);
	r->registry = g;
	r->prefixed = prefix_covers(g, r->repository);
	if (r->prefixed)
		r->repository = sv_from(r->repository, strlen(g->prefix) + 1);
	return true;
}

static bool ask_rules(struct route *r)
{
	char rule[ROUTE_DETAIL_MAX];

	if (r->kind == ROUTE_PING || policy_allows(r->registry, r->repository, rule, sizeof(rule)))
		return true;
	return refuse(r, ERROR_DENIED, "%s", rule);
}

/* --- the target ---------------------------------------------------------------------------------- */

/* Leaves the path and query of an absolute-form target in *target.  A proxy in front and we must agree on
 * whom the request is for, so the authority is the Host field's or it is refused (RFC 9112 3.2.2). */
static bool strip_authority(struct route *r, struct strview *target, struct strview host)
{
	struct strview authority, rest;

	if (target->n && target->p[0] == '/')
		return true;
	r->ends = true;
	if (target->n < 7 || !sv_eq_nocase(sv_make(target->p, 7), SV("http://")))
		return refuse(r, ERROR_REQUEST_MALFORMED, "the request target is not a path");
	rest = sv_from(*target, 7);
	const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
	authority = slash ? sv_make(rest.p, (size_t)(slash - rest.p)) : rest;
	if (!sv_eq_nocase(authority, host))
		return refuse(r, ERROR_REQUEST_MALFORMED, "the request target is for another host than Host");
	*target = sv_from(rest, authority.n);
	r->ends = false;
	return true;
}

static bool read_token(const struct conf *c, struct route *r, struct strview path)
{
	if (!url_is_query(r->query))
		return refuse(r, ERROR_TOKEN_REQUEST, "bytes in the query that have no place there");
	return token_route(c, sv_from(path, sizeof(TOKEN_PATH) - 1), r);
}

bool route_find(const struct conf *c, struct strview target, struct strview host, struct route *ret)
{
	struct strview path;

	*ret = (struct route){ .kind = ROUTE_OTHER, .error = ERROR_NONE };
	if (!strip_authority(ret, &target, host))
		return false;
	const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
	path = mark ? sv_make(target.p, (size_t)(mark - target.p)) : target;
	if (mark)
		ret->query = sv_from(target, path.n + 1);
	if (token_is(path))
		return read_token(c, ret, path);
	if (!read_path(ret, path) || !read_query(ret) || !find_registry(c, host, ret))
		return false;
	return ask_rules(ret);
}

/* --- the path that goes upstream ----------------------------------------------------------------- */

static size_t put(char *dst, size_t at, struct strview s)
{
	if (s.n)
		memcpy(dst + at, s.p, s.n);
	return at + s.n;
}

static size_t put_query(const struct route *r, char *dst, size_t at)
{
	struct strview rest = r->query, parameter;
	char mark = '?';

	while (sv_cut(&rest, '&', &parameter)) {
		if (is_ns(parameter) || parameter.n == 0)
			continue;
		dst[at++] = mark;
		at = put(dst, at, parameter);
		mark = '&';
	}
	return at;
}

size_t route_path(const struct route *r, char *dst)
{
	static const struct strview keyword[ROUTE_COUNT] = {
		[ROUTE_MANIFEST] = SV("/manifests/"),
		[ROUTE_BLOB] = SV("/blobs/"),
		[ROUTE_TAGS] = SV("/tags/"),
		[ROUTE_REFERRERS] = SV("/referrers/"),
	};
	if (r->kind == ROUTE_TOKEN)
		return token_path(r, dst);
	size_t n = put(dst, 0, SV("/v2/"));
	if (r->kind == ROUTE_PING)
		return n;
	n = put(dst, n, r->repository);
	n = put(dst, n, keyword[r->kind]);
	n = put(dst, n, r->reference);
	if (r->kind == ROUTE_TAGS || r->kind == ROUTE_REFERRERS)
		n = put_query(r, dst, n);
	return n;
}
