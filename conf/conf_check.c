/* What no line of the configuration alone can tell: references, uniqueness, what is missing.  Master. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "conf_build.h"

static int line_of(const struct conf_build *b, enum conf_section s, unsigned i, enum conf_key_index key)
{
	return conf_origin(b->c->origins, s, i)[key];
}

static int header_of(const struct conf_build *b, enum conf_section s, unsigned i)
{
	return s == CONF_PROXY ? b->c->origins->proxy_line[i] : b->c->origins->registry_line[i];
}

static void check_master(struct conf_build *b)
{
	const struct conf *c = b->c;
	int line = line_of(b, CONF_MASTER, 0, CONF_KEY_master_control);

	if (strlen(c->master.control) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		build_mistake(b, line, "control: the path is longer than a socket's path may be (%zu bytes)",
		              sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	if (c->master.control[0] == '\0')
		build_mistake(b, line, "control: a path is needed");
	if (c->listen.address.count == 0)
		build_mistake(b, line_of(b, CONF_LISTEN, 0, CONF_KEY_listen_address), "address: nothing to listen on");
	for (unsigned i = 0; i < c->listen.address.count; i++)
		for (unsigned j = 0; j < c->admin.address.count; j++)
			if (strcmp(c->listen.address.items[i].text, c->admin.address.items[j].text) == 0)
				build_mistake(b, c->admin.address.items[j].line, "address: %s is [listen]'s",
				              c->admin.address.items[j].text);
}

static void check_proxies(struct conf_build *b)
{
	for (unsigned i = 0; i < b->c->proxies; i++) {
		const struct conf_proxy *p = b->c->proxy[i];
		const bool wrong = p->address.host[0] == '\0' && p->address.port == 0; /* said already, or empty */
		int line = line_of(b, CONF_PROXY, i, CONF_KEY_proxy_address);
		if (!line)
			build_mistake(b, header_of(b, CONF_PROXY, i), "[proxy %s] needs an address", p->name);
		else if (!wrong && !p->address.port)
			build_mistake(b, line, "address: the port is missing (the connectivity proxy's is 20003)");
		conf_check_auth(b, i);
		conf_check_protocol(b, i);
		conf_check_location(b, line_of(b, CONF_PROXY, i, CONF_KEY_proxy_location_id), p->location_id, p);
	}
}

/* --- registries ------------------------------------------------------------------------------------------------- */

/* Components of the distribution-spec's <name> between single slashes; those at the ends are dropped. */
static bool prefix_ok(char *prefix)
{
	size_t n = strlen(prefix);

	while (n && prefix[n - 1] == '/')
		prefix[--n] = '\0';
	size_t lead = strspn(prefix, "/");
	memmove(prefix, prefix + lead, n - lead + 1);
	for (const char *p = prefix; *p; p++) {
		bool sep = *p == '/' || *p == '.' || *p == '_' || *p == '-';
		bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
		if (!sep && !alnum)
			return false;
		if (*p == '/' && (p[1] == '/' || p[1] == '\0'))
			return false;
	}
	return strlen(prefix) <= 255;
}

static bool glob_ok(const char *glob)
{
	for (const char *p = glob; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || strchr("*/._-", *p)))
			return false;
	return glob[0] != '/' && !strstr(glob, "//") && !strstr(glob, "***") && strlen(glob) <= 255;
}

static void check_globs(struct conf_build *b, enum conf_key_index key, const struct conf_list *l)
{
	for (unsigned n = 0; n < l->count; n++)
		if (!glob_ok(l->items[n]))
			build_mistake(b, l->lines[n], "%s: '%s' is not a pattern of repositories (like team/*, team/**)",
			              conf_keys[key].name, l->items[n]);
}

static void check_host_text(struct conf_build *b, unsigned i, enum conf_key_index key, const char *text)
{
	struct url_hostport ignored;
	struct err why;

	if (text[0] && url_hostport_parse(sv_str(text), &ignored, &why) < 0)
		build_mistake(b, line_of(b, CONF_REGISTRY, i, key), "%s: %s", conf_keys[key].name, why.text);
}

static void check_unique(struct conf_build *b, unsigned i, enum conf_key_index key)
{
	const char *own = *(char *const *)conf_const_field(&conf_keys[key], b->c->registry[i]);

	for (unsigned j = 0; j < i && own[0]; j++)
		if (strcasecmp(own, *(char *const *)conf_const_field(&conf_keys[key], b->c->registry[j])) == 0)
			build_mistake(b, line_of(b, CONF_REGISTRY, i, key), "%s: '%s' belongs to [registry %s] already",
			              conf_keys[key].name, own, b->c->registry[j]->name);
}

static void check_host(struct conf_build *b, unsigned i, struct conf_registry *r)
{
	char text[URL_AUTHORITY_MAX];

	if (!line_of(b, CONF_REGISTRY, i, CONF_KEY_registry_host)) {
		build_mistake(b, header_of(b, CONF_REGISTRY, i), "[registry %s] needs a host", r->name);
		return;
	}
	if (!r->host.host[0])
		return;
	if (!r->host.port)
		r->host.port = r->scheme == CONF_SCHEME_HTTPS ? 443 : 80;
	url_authority(&r->host, text);
	r->authority = strdup(text);
	if (!r->authority)
		build_mistake(b, 0, "out of memory");
}

static const struct conf_proxy *direct_proxy(struct conf_build *b, const struct conf_registry *r)
{
	char name[CONF_NAME_MAX + 16];
	int n = snprintf(name, sizeof(name), "direct:%s", r->name);

	if (build_proxy(b, sv_make(name, (size_t)n)) < 0) {
		build_mistake(b, 0, "out of memory");
		return NULL;
	}
	struct conf_proxy *p = b->c->proxy[b->c->proxies - 1];
	p->direct = true;
	p->address = r->host;
	return p;
}

/* The proxy a registry names; without a name the default one, or the only one. */
static const struct conf_proxy *find_proxy(struct conf_build *b, unsigned i, unsigned configured)
{
	const struct conf_registry *r = b->c->registry[i];
	const char *ref = b->proxy_ref[i] && b->proxy_ref[i][0] ? b->proxy_ref[i] : NULL;
	int line = line_of(b, CONF_REGISTRY, i, CONF_KEY_registry_proxy);

	if (ref && strcmp(ref, "none") == 0)
		return direct_proxy(b, r);
	for (unsigned p = 0; p < configured; p++)
		if (strcmp(b->c->proxy[p]->name, ref ? ref : "default") == 0)
			return b->c->proxy[p];
	if (!ref && configured == 1)
		return b->c->proxy[0];
	if (ref)
		build_mistake(b, line, "proxy: there is no [proxy %s]", ref);
	else
		build_mistake(b, header_of(b, CONF_REGISTRY, i),
		              configured ? "[registry %s] must name its proxy: there are several"
		                         : "[registry %s] has no proxy: a [proxy] section with an address is needed, or "
		                           "'proxy = none'", r->name);
	return NULL;
}

static void check_registry(struct conf_build *b, unsigned i, unsigned configured)
{
	struct conf_registry *r = b->c->registry[i];

	check_host(b, i, r);
	r->proxy = find_proxy(b, i, configured);
	if (!prefix_ok(r->prefix))
		build_mistake(b, line_of(b, CONF_REGISTRY, i, CONF_KEY_registry_prefix),
		              "prefix: '%s' is not a path of lower-case repository components", r->prefix);
	check_host_text(b, i, CONF_KEY_registry_ns, r->ns);
	check_host_text(b, i, CONF_KEY_registry_match_host, r->match_host);
	check_unique(b, i, CONF_KEY_registry_prefix);
	check_unique(b, i, CONF_KEY_registry_ns);
	check_unique(b, i, CONF_KEY_registry_match_host);
	check_globs(b, CONF_KEY_registry_allow, &r->allow);
	check_globs(b, CONF_KEY_registry_deny, &r->deny);
	conf_check_hosts(b, i);
	if (r->proxy)
		conf_check_tls(b, i);
	conf_check_login(b, i);
	conf_check_location(b, line_of(b, CONF_REGISTRY, i, CONF_KEY_registry_location_id), r->location_id, r->proxy);
	if (r->proxy && !r->location_id[0]) {
		free(r->location_id);
		r->location_id = strdup(r->proxy->location_id);
		if (!r->location_id)
			build_mistake(b, 0, "out of memory");
	}
}

static void choose_default(struct conf_build *b)
{
	struct conf *c = b->c;

	if (c->registries == 0)
		build_mistake(b, 0, "a [registry] section with a host is needed");
	if (c->registries == 1)
		c->default_registry = c->registry[0];
	for (unsigned i = 0; i < c->registries && c->registries > 1; i++) {
		if (!c->registry[i]->is_default)
			continue;
		if (c->default_registry)
			build_mistake(b, line_of(b, CONF_REGISTRY, i, CONF_KEY_registry_default),
			              "default: [registry %s] is the default one already", c->default_registry->name);
		else
			c->default_registry = c->registry[i];
	}
	if (c->registries > 1 && !c->default_registry)
		build_mistake(b, 0, "one of several registries must have 'default = yes'");
}

/* --- names ------------------------------------------------------------------------------------------------------ */

/* The place of a name that is to be resolved, each once; -1: it is a literal, or there is no room. */
static int name_place(struct conf_build *b, const struct url_hostport *at)
{
	struct conf *c = b->c;
	unsigned n = 0;

	if (at->literal || !at->host[0])
		return -1;
	while (n < c->names_count && strcmp(c->names[n], at->host) != 0)
		n++;
	if (n == CONF_NAMES) {
		build_mistake(b, 0, "more than %d names to resolve", CONF_NAMES);
		return -1;
	}
	if (n == c->names_count)
		c->names[c->names_count++] = at->host;
	return (int)n;
}

static void collect_hosts(struct conf_build *b, const struct conf_hosts *h)
{
	for (unsigned i = 0; i < h->count; i++)
		h->item[i].name_index = name_place(b, &h->item[i].behind);
}

/* Proxies' addresses, and hosts that are reached without one; never a virtual host. */
static void collect_names(struct conf_build *b)
{
	for (unsigned i = 0; i < b->c->proxies; i++)
		b->c->proxy[i]->name_index = name_place(b, &b->c->proxy[i]->address);
	for (unsigned i = 0; i < b->c->registries; i++) {
		const struct conf_registry *r = b->c->registry[i];
		if (!r->proxy || !r->proxy->direct)
			continue;
		collect_hosts(b, &r->token_at);
		collect_hosts(b, &r->redirect_at);
	}
}

void conf_check(struct conf_build *b)
{
	unsigned configured = b->c->proxies; /* direct ones are added behind them */

	check_master(b);
	conf_check_certificate(b);
	check_proxies(b);
	for (unsigned i = 0; i < b->c->registries; i++)
		check_registry(b, i, configured);
	choose_default(b);
	collect_names(b);
}
