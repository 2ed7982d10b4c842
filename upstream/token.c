/* Token requests of clients.  Worker and keeper. */
#include "token.h"

#include <stdio.h>
#include <stdlib.h>

#include "base64.h"
#include "challenge.h"
#include "token_server.h"

bool token_is(struct strview target)
{
	return sv_starts(target, SV(TOKEN_PATH));
}

/* --- the realm -------------------------------------------------------------------------------------------------- */

struct realm {
	char text[CHALLENGE_REALM_MAX];
	size_t n;
};

static bool read_realm(struct strview encoded, struct realm *ret)
{
	const ssize_t n = base64url_decode(encoded, ret->text, sizeof(ret->text));

	ret->n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool refuse(struct route *r, enum error_id id, const char *detail)
{
	r->error = id;
	(void)snprintf(r->detail, sizeof(r->detail), "%.*s", ROUTE_DETAIL_MAX - 1, detail);
	return false;
}

static const struct conf_registry *find_registry(const struct conf *c, struct strview name)
{
	for (unsigned i = 0; i < c->registries; i++)
		if (sv_eq(name, sv_str(c->registry[i]->name)))
			return c->registry[i];
	return NULL;
}

bool token_route(const struct conf *c, struct strview path, struct route *r)
{
	struct token_server server;
	struct strview name;
	struct realm realm;

	r->kind = ROUTE_TOKEN;
	(void)sv_cut(&path, '/', &name);
	r->registry = find_registry(c, name);
	if (!r->registry)
		return refuse(r, ERROR_NOT_FOUND, "");
	r->reference = path;
	if (!read_realm(path, &realm))
		return refuse(r, ERROR_TOKEN_REALM, "it is no http(s) URL, or too long");
	const enum error_id id = token_server_find(r->registry, sv_make(realm.text, realm.n), &server);
	r->at = server.at;
	r->https = server.https;
	return id == ERROR_NONE || refuse(r, id, server.detail);
}

/* --- what goes to the token server ------------------------------------------------------------------------------ */

static size_t put(char *dst, size_t at, struct strview s)
{
	if (s.n)
		memmove(dst + at, s.p, s.n);
	return at + s.n;
}

size_t token_path(const struct route *r, char *dst)
{
	struct token_server server;
	struct realm realm;
	size_t n = 0;

	if (!read_realm(r->reference, &realm)
	    || token_server_find(r->registry, sv_make(realm.text, realm.n), &server) != ERROR_NONE)
		abort(); /* token_route has read it */
	n = put(dst, n, server.path);
	if (server.query.n || r->query.n)
		n = put(dst, n, SV("?"));
	n = put(dst, n, server.query);
	if (server.query.n && r->query.n)
		n = put(dst, n, SV("&"));
	return n + token_scopes(r->registry, r->query, dst + n);
}

/* --- scopes ----------------------------------------------------------------------------------------------------- */

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The byte that s says at *i, escaped or not (the text is checked: url_is_query); moves on. */
static char decoded(struct strview s, size_t *i)
{
	char c = s.p[*i];

	if (c == '%' && *i + 2 < s.n) {
		c = (char)(hex_value(s.p[*i + 1]) * 16 + hex_value(s.p[*i + 2]));
		*i += 3;
		return c;
	}
	*i += 1;
	return c == '+' ? ' ' : c;
}

/* Does s say `wanted` at i?  Then *ret is where that ends. */
static bool says(struct strview s, size_t i, struct strview wanted, size_t *ret)
{
	for (size_t w = 0; w < wanted.n; w++)
		if (i >= s.n || decoded(s, &i) != wanted.p[w])
			return false;
	*ret = i;
	return true;
}

/* One value of `scope`: "repository:NAME:pull", several of them between spaces. */
static size_t put_scopes(char *dst, size_t at, struct strview value, struct strview prefix)
{
	size_t i = 0;

	while (i < value.n) {
		size_t name, rest, from = i;
		if (says(value, i, SV("repository:"), &name) && says(value, name, prefix, &rest)
		    && says(value, rest, SV("/"), &rest)) {
			at = put(dst, at, sv_make(value.p + from, name - from));
			from = i = rest;
		}
		while (i < value.n && decoded(value, &i) != ' ')
			;
		at = put(dst, at, sv_make(value.p + from, i - from));
	}
	return at;
}

size_t token_scopes(const struct conf_registry *g, struct strview params, char *dst)
{
	struct strview rest = params, one, prefix = sv_str(g->prefix);
	size_t n = 0;
	bool first = true;

	while (sv_cut(&rest, '&', &one)) {
		if (!first)
			n = put(dst, n, SV("&"));
		first = false;
		if (!prefix.n || !sv_starts(one, SV("scope="))) {
			n = put(dst, n, one);
			continue;
		}
		n = put(dst, n, SV("scope="));
		n = put_scopes(dst, n, sv_from(one, 6), prefix);
	}
	return n;
}

/* --- forms ------------------------------------------------------------------------------------------------------ */

const char *token_form_wrong(struct strview content_type, struct strview form)
{
	struct strview rest = content_type, type = SV_NONE, one;
	bool grant = false;

	(void)sv_cut(&rest, ';', &type);
	if (!sv_eq_nocase(sv_trim(type), SV("application/x-www-form-urlencoded")))
		return "its Content-Type is no form's";
	if (!url_is_query(form))
		return "bytes in the form that have no place there";
	rest = form;
	while (sv_cut(&rest, '&', &one))
		grant |= sv_starts(one, SV("grant_type=")) && one.n > sizeof("grant_type=") - 1;
	return grant ? NULL : "no grant_type in the form";
}
