/* What is different between two configurations.  Master. */
#include <stdio.h>
#include <string.h>

#include "conf_key.h"

static const char *title(enum conf_section s, const char *name, const char *key, char *dst, size_t cap)
{
	bool named = name && strcmp(name, "default") != 0;

	(void)snprintf(dst, cap, "[%s%s%s]%s%s", conf_section_name(s), named ? " " : "", named ? name : "", key ? " " : "",
	               key ? key : "");
	return dst;
}

static bool same_list(const struct conf_list *a, const struct conf_list *b)
{
	unsigned i = 0;

	while (a->count == b->count && i < a->count && strcmp(a->items[i], b->items[i]) == 0)
		i++;
	return a->count == b->count && i == a->count;
}

/* A list may be longer than any line; nothing else is. */
static bool same_value(const struct conf_key *k, const void *a, const void *b)
{
	char was[9000], is[9000];

	if (k->kind == KIND_LIST)
		return same_list(a, b);
	return conf_value_format(k, a, was, sizeof(was)) && conf_value_format(k, b, is, sizeof(is)) && strcmp(was, is) == 0;
}

/* lines: where the values of b come from; NULL = no key of the section needs a restart. */
static void compare_section(enum conf_section s, const char *name, const void *a, const void *b, const int *lines,
                            struct conf_diff *d)
{
	char what[128];

	for (size_t i = 0; i < CONF_KEYS; i++) {
		const struct conf_key *k = &conf_keys[i];
		if (k->section != s || same_value(k, conf_const_field(k, a), conf_const_field(k, b)))
			continue;
		const int line = lines && k->when == CONF_WHEN_START ? lines[i] : CONF_NO_RESTART;
		d->visit(d, title(s, name, k->name, what, sizeof(what)), line);
	}
}

static const struct conf_proxy *proxy_named(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->proxies; i++)
		if (!c->proxy[i]->direct && strcmp(c->proxy[i]->name, name) == 0)
			return c->proxy[i];
	return NULL;
}

static const struct conf_registry *registry_named(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->registries; i++)
		if (strcmp(c->registry[i]->name, name) == 0)
			return c->registry[i];
	return NULL;
}

/* What a key names may say something else without the key having changed. */
static void compare_content(enum conf_section s, const char *name, const char *key, const char *a, const char *b, bool same,
                            struct conf_diff *d)
{
	char what[128];

	if (!same && strcmp(a, b) == 0)
		d->visit(d, title(s, name, key, what, sizeof(what)), CONF_NO_RESTART);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_login(const struct conf_login *a, const struct conf_login *b)
{
	return same_text(a ? a->value : NULL, b ? b->value : NULL);
}

static bool same_certificate(const struct tls_context *a, const struct tls_context *b)
{
	return a && b ? tls_context_same(a, b) : a == b;
}

static void compare_listen(const struct conf_listen *a, const struct conf_listen *b, struct conf_diff *d)
{
	compare_section(CONF_LISTEN, NULL, a, b, NULL, d);
	compare_content(CONF_LISTEN, NULL, "tls_certificate", a->tls_certificate, b->tls_certificate, same_certificate(a->tls, b->tls), d);
}

static void compare_proxy(const struct conf_proxy *a, const struct conf_proxy *b, struct conf_diff *d)
{
	compare_section(CONF_PROXY, b->name, a, b, NULL, d);
	compare_content(CONF_PROXY, b->name, "auth_file", a->auth_file, b->auth_file, same_login(a->basic, b->basic), d);
	compare_content(CONF_PROXY, b->name, "ca_file", a->ca_file, b->ca_file, strcmp(a->ca_hash, b->ca_hash) == 0, d);
	compare_content(CONF_PROXY, b->name, "tls_client_certificate", a->tls_client_certificate, b->tls_client_certificate,
	                same_text(a->client_chain, b->client_chain), d);
}

static void compare_registry(const struct conf_registry *a, const struct conf_registry *b, struct conf_diff *d)
{
	compare_section(CONF_REGISTRY, b->name, a, b, NULL, d);
	compare_content(CONF_REGISTRY, b->name, "authorization", a->authorization, b->authorization, same_login(a->login, b->login), d);
	compare_content(CONF_REGISTRY, b->name, "ca_file", a->ca_file, b->ca_file, strcmp(a->ca_hash, b->ca_hash) == 0, d);
	compare_content(CONF_REGISTRY, b->name, "tls_client_certificate", a->tls_client_certificate, b->tls_client_certificate,
	                !a->tls || !b->tls || tls_context_same(a->tls, b->tls), d);
}

static void compare_named(const struct conf *a, const struct conf *b, struct conf_diff *d)
{
	for (unsigned i = 0; i < a->proxies; i++) {
		const struct conf_proxy *other = proxy_named(b, a->proxy[i]->name);
		if (other && !a->proxy[i]->direct)
			compare_proxy(a->proxy[i], other, d);
	}
	for (unsigned i = 0; i < a->registries; i++) {
		const struct conf_registry *other = registry_named(b, a->registry[i]->name);
		if (other)
			compare_registry(a->registry[i], other, d);
	}
}

/* Sections of `of` that the other lacks. */
static void tell_missing(const struct conf *of, const struct conf *other, struct conf_diff *d)
{
	char what[128];

	for (unsigned i = 0; i < of->proxies; i++)
		if (!of->proxy[i]->direct && !proxy_named(other, of->proxy[i]->name))
			d->visit(d, title(CONF_PROXY, of->proxy[i]->name, NULL, what, sizeof(what)), CONF_NO_RESTART);
	for (unsigned i = 0; i < of->registries; i++)
		if (!registry_named(other, of->registry[i]->name))
			d->visit(d, title(CONF_REGISTRY, of->registry[i]->name, NULL, what, sizeof(what)), CONF_NO_RESTART);
}

void conf_compare(const struct conf *a, const struct conf *b, struct conf_diff *d)
{
	compare_section(CONF_MASTER, NULL, &a->master, &b->master, b->origins->master, d);
	compare_listen(&a->listen, &b->listen, d);
	compare_section(CONF_ADMIN, NULL, &a->admin, &b->admin, NULL, d);
	compare_section(CONF_LOG, NULL, &a->log, &b->log, b->origins->log, d);
	compare_named(a, b, d);
	tell_missing(a, b, d);
	tell_missing(b, a, d);
}
