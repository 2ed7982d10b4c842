/* token_hosts, redirect_hosts, redirect_pass: which other hosts a registry may lead to.  Master. */
#include <errno.h>
#include <string.h>

#include "conf_build.h"

#define HTTPS_PORT 443

struct host_list {
	enum conf_key_index key;
	const struct conf_list *texts;
	struct conf_hosts *ret;
	bool may_have_path, may_have_virtual;
};

/* host[:port], the port filled in.  0 or -EINVAL with reterr. */
static int parse_at(struct strview text, struct url_hostport *ret, struct err *reterr)
{
	int r = url_hostport_parse(text, ret, reterr);

	if (r == 0 && ret->port == 0)
		ret->port = HTTPS_PORT;
	return r;
}

/* What a URL's path may hold, without escapes and dots that could mean another one. */
static bool path_ok(struct strview path)
{
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];
		if (c <= ' ' || c >= 0x7f || strchr("%?#\\\"<>{}|^`", c))
			return false;
	}
	return !sv_contains(path, SV("/.")) && !sv_contains(path, SV("//"));
}

static struct strview cut_path(struct strview *at)
{
	const char *slash = at->n ? memchr(at->p, '/', at->n) : NULL;
	size_t n = slash ? (size_t)(slash - at->p) : at->n;
	struct strview path = sv_from(*at, n);

	at->n = n;
	return path;
}

/* host[:port][/path][=virtual-host:port] */
static int parse_host(const struct host_list *l, const char *text, struct conf_host *ret, struct err *reterr)
{
	struct strview rest = sv_str(text), left = SV_NONE;
	char authority[URL_AUTHORITY_MAX];

	if (sv_contains(rest, SV("://")))
		return err_set(reterr, -EINVAL, "a URL, but without the scheme is wanted");
	(void)sv_cut(&rest, '=', &left);
	bool named = left.n < strlen(text);
	struct strview path = cut_path(&left);
	if (path.n && !l->may_have_path)
		return err_set(reterr, -EINVAL, "only host:port belongs here, without a path");
	if (!path_ok(path))
		return err_set(reterr, -EINVAL, "'" SV_FMT "' is not a plain path", SV_ARG(path));
	if (named && !l->may_have_virtual)
		return err_set(reterr, -EINVAL, "a client goes there itself: a virtual host means nothing to it");
	int r = parse_at(left, &ret->at, reterr);
	ret->behind = ret->at;
	if (r == 0 && named)
		r = parse_at(rest, &ret->behind, reterr);
	if (r < 0)
		return r;
	url_authority(&ret->behind, authority);
	ret->authority = strdup(authority);
	ret->path = strndup(path.p ? path.p : "", path.n);
	return ret->authority && ret->path ? 0 : err_sys(reterr, -ENOMEM, "cannot keep it");
}

static bool is_twice(const struct conf_hosts *h, const struct conf_host *one)
{
	for (unsigned i = 0; i < h->count; i++)
		if (url_hostport_eq(&h->item[i].at, &one->at) && strcmp(h->item[i].path, one->path) == 0)
			return true;
	return false;
}

static void host_free(struct conf_host *h)
{
	free(h->authority);
	free(h->path);
}

static void read_list(struct conf_build *b, const struct host_list *l)
{
	const char *name = conf_keys[l->key].name;

	if (l->texts->count == 0)
		return;
	l->ret->item = calloc(l->texts->count, sizeof(l->ret->item[0]));
	for (unsigned i = 0; l->ret->item && i < l->texts->count; i++) {
		struct conf_host one = { .name_index = -1 };
		const int line = l->texts->lines[i];
		struct err why;
		if (parse_host(l, l->texts->items[i], &one, &why) < 0) {
			build_mistake(b, line, "%s: '%s': %s", name, l->texts->items[i], why.text);
		} else if (is_twice(l->ret, &one)) {
			build_mistake(b, line, "%s: '%s' is there twice", name, l->texts->items[i]);
		} else {
			one.place = b->c->places++;
			l->ret->item[l->ret->count++] = one;
			continue;
		}
		host_free(&one);
	}
	if (!l->ret->item)
		build_mistake(b, 0, "out of memory");
}

void conf_check_hosts(struct conf_build *b, unsigned i)
{
	struct conf_registry *r = b->c->registry[i];
	const struct host_list lists[] = {
		{ CONF_KEY_registry_token_hosts, &r->token_hosts, &r->token_at, true, true },
		{ CONF_KEY_registry_redirect_hosts, &r->redirect_hosts, &r->redirect_at, false, true },
		{ CONF_KEY_registry_redirect_pass, &r->redirect_pass, &r->pass_at, false, false },
	};

	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		read_list(b, &lists[k]);
}

void conf_hosts_free(struct conf_hosts *h)
{
	for (unsigned i = 0; i < h->count; i++)
		host_free(&h->item[i]);
	free(h->item);
	*h = (struct conf_hosts){ NULL, 0 };
}

/* --- looking up ------------------------------------------------------------------------------------------------- */

static bool path_covers(const char *path, struct strview target)
{
	struct strview prefix = sv_str(path);

	if (!sv_starts(target, prefix))
		return false;
	return prefix.n == 0 || prefix.p[prefix.n - 1] == '/' || target.n == prefix.n || target.p[prefix.n] == '/'
	       || target.p[prefix.n] == '?';
}

const struct conf_host *conf_hosts_find(const struct conf_hosts *h, const struct url_hostport *at, struct strview path)
{
	for (unsigned i = 0; i < h->count; i++)
		if (url_hostport_eq(&h->item[i].at, at) && path_covers(h->item[i].path, path))
			return &h->item[i];
	return NULL;
}
