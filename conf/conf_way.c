/* How a registry is reached: what a proxy speaks, and the TLS that is ours because nobody else does it.  Master. */
#include <string.h>

#include "conf_build.h"
#include "conf_login.h"
#include "secret.h"
#include "tls_context.h"

/* RFC 1928 has one byte for the length of what SAP's sub-negotiation puts in base64. */
#define SOCKS_LOCATION_MAX (255 / 4 * 3)

bool conf_speaks_tls(const struct conf_registry *r)
{
	return r->proxy->direct || r->proxy->protocol != CONF_PROTOCOL_HTTP;
}

bool conf_is_downgrade(const struct conf_registry *r, bool https)
{
	return r->scheme == CONF_SCHEME_HTTPS && !https && conf_speaks_tls(r);
}

static int proxy_line(const struct conf_build *b, unsigned i, enum conf_key_index key)
{
	return conf_origin(b->c->origins, CONF_PROXY, i)[key];
}

static int registry_line(const struct conf_build *b, unsigned i, enum conf_key_index key)
{
	return conf_origin(b->c->origins, CONF_REGISTRY, i)[key];
}

/* --- proxies ---------------------------------------------------------------------------------------------------- */

/* Without the key: SAP's method where there is a token, none where there is not. */
static void default_methods(struct conf_proxy *p)
{
	p->socks_method[0] = p->auth == CONF_AUTH_BEARER ? CONF_SOCKS_JWT : CONF_SOCKS_NONE;
	p->socks_method_count = 1;
}

static void read_methods(struct conf_build *b, struct conf_proxy *p)
{
	for (unsigned n = 0; n < p->socks_methods.count; n++) {
		const char *text = p->socks_methods.items[n];
		const int line = p->socks_methods.lines[n];
		const bool jwt = strcmp(text, "80") == 0;
		if (!jwt && strcmp(text, "00") != 0)
			build_mistake(b, line, "socks_methods: '%s' is none of 00 (no authentication), 80 (SAP's, with a token)", text);
		else if (p->socks_method_count == ARRAY_LEN(p->socks_method))
			build_mistake(b, line, "socks_methods: there are two, each once");
		else
			p->socks_method[p->socks_method_count++] = jwt ? CONF_SOCKS_JWT : CONF_SOCKS_NONE;
		if (jwt && p->auth != CONF_AUTH_BEARER)
			build_mistake(b, line, "socks_methods: 80 shows a token, for which auth = bearer is needed");
	}
	if (p->socks_methods.count == 0)
		default_methods(p);
}

bool conf_socks_shows_token(const struct conf_proxy *p)
{
	for (unsigned n = 0; n < p->socks_method_count; n++)
		if (p->socks_method[n] == CONF_SOCKS_JWT)
			return true;
	return false;
}

static void check_socks(struct conf_build *b, unsigned i, struct conf_proxy *p)
{
	if (p->auth == CONF_AUTH_BASIC || p->auth == CONF_AUTH_SERVICE_TOKEN)
		build_mistake(b, proxy_line(b, i, CONF_KEY_proxy_auth), "auth: with protocol = socks5 it is none or bearer");
	read_methods(b, p);
}

static void check_connect(struct conf_build *b, unsigned i, const struct conf_proxy *p)
{
	if (p->auth == CONF_AUTH_SERVICE_TOKEN)
		build_mistake(b, proxy_line(b, i, CONF_KEY_proxy_auth), "auth: with protocol = connect it is none, basic or bearer");
}

static void read_auth_file(struct conf_build *b, unsigned i, struct conf_proxy *p)
{
	struct err why;

	if (!p->auth_file[0])
		build_mistake(b, proxy_line(b, i, CONF_KEY_proxy_auth), "auth: basic needs auth_file, a file with one line user:password");
	else if (conf_login_read_line(p->auth_file, &p->basic, &why) < 0)
		build_mistake(b, proxy_line(b, i, CONF_KEY_proxy_auth_file), "auth_file: %s", why.text);
}

void conf_check_protocol(struct conf_build *b, unsigned i)
{
	struct conf_proxy *p = b->c->proxy[i];

	if (p->protocol == CONF_PROTOCOL_SOCKS5)
		check_socks(b, i, p);
	else if (p->socks_methods.count)
		build_mistake(b, proxy_line(b, i, CONF_KEY_proxy_socks_methods), "socks_methods: has no effect without protocol = socks5");
	if (p->protocol == CONF_PROTOCOL_CONNECT)
		check_connect(b, i, p);
	if (p->auth == CONF_AUTH_BASIC && p->protocol != CONF_PROTOCOL_SOCKS5)
		read_auth_file(b, i, p);
	else if (p->auth_file[0])
		build_mistake(b, proxy_line(b, i, CONF_KEY_proxy_auth_file), "auth_file: has no effect without auth = basic");
}

/* --- location ids ----------------------------------------------------------------------------------------------- */

static bool is_text(const char *text, size_t most, bool ascii)
{
	const size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f || (ascii && (unsigned char)text[i] > 0x7f))
			return false;
	return n <= most;
}

void conf_check_location(struct conf_build *b, int line, const char *id, const struct conf_proxy *p)
{
	const bool socks = p && p->protocol == CONF_PROTOCOL_SOCKS5;
	const bool direct = p && p->direct, tunnel = p && p->protocol == CONF_PROTOCOL_CONNECT;

	if (id[0] && (direct || tunnel))
		build_mistake(b, line, "location_id: is for a connectivity proxy, not for %s", direct ? "proxy = none" : "protocol = connect");
	if (!socks && !is_text(id, 255, true))
		build_mistake(b, line, "location_id: up to 255 printable ASCII characters");
	if (socks && !is_text(id, SOCKS_LOCATION_MAX, false))
		build_mistake(b, line, "location_id: up to %d bytes of text with protocol = socks5", SOCKS_LOCATION_MAX);
	if (socks && id[0] && !conf_socks_shows_token(p))
		build_mistake(b, line, "location_id: SOCKS5 has a place for it beside the token only: method 80, auth = bearer");
}

/* --- registries: TLS -------------------------------------------------------------------------------------------- */

static const enum conf_key_index tls_keys[] = {
	CONF_KEY_registry_ca_file, CONF_KEY_registry_tls_name, CONF_KEY_registry_tls_client_certificate, CONF_KEY_registry_tls_client_key,
};

static bool is_set(const struct conf_registry *r, enum conf_key_index key)
{
	return (*(char *const *)conf_const_field(&conf_keys[key], r))[0] != '\0';
}

/* Other hosts are spoken to as their URLs say. */
static bool may_need_tls(const struct conf_registry *r)
{
	return r->scheme == CONF_SCHEME_HTTPS || r->token_at.count || r->redirect_at.count;
}

static void refuse_keys(struct conf_build *b, unsigned i, const struct conf_registry *r, const char *why)
{
	for (size_t k = 0; k < ARRAY_LEN(tls_keys); k++)
		if (is_set(r, tls_keys[k]))
			build_mistake(b, registry_line(b, i, tls_keys[k]), "%s: %s", conf_keys[tls_keys[k]].name, why);
}

static void read_certificate(struct conf_build *b, unsigned i, struct conf_registry *r)
{
	const struct conf_pair pair = { CONF_REGISTRY, i, CONF_KEY_registry_tls_client_certificate, CONF_KEY_registry_tls_client_key };
	CLEANUP(secret_free_p) char *chain = NULL, *key = NULL;
	struct err why;

	if (conf_pair_read(b, &pair, &chain, &key) && chain
	    && tls_context_certificate(r->tls, sv_str(chain), sv_str(key), &why) < 0)
		conf_pair_refuse(b, &pair, &why);
}

static void make_context(struct conf_build *b, unsigned i, struct conf_registry *r)
{
	struct err why;
	int line = registry_line(b, i, CONF_KEY_registry_ca_file);

	if (!line)
		line = registry_line(b, i, CONF_KEY_registry_scheme);
	conf_ca_hash(r->ca_file, r->ca_hash);
	r->tls = conf_tls_client(r->ca_file, &why);
	if (!r->tls)
		build_mistake(b, line, "ca_file: %s", why.text);
	else
		read_certificate(b, i, r);
}

static void read_name(struct conf_build *b, unsigned i, struct conf_registry *r)
{
	const int line = registry_line(b, i, CONF_KEY_registry_tls_name);
	struct err why;

	r->tls_host = r->host;
	if (!r->tls_name[0])
		return;
	if (r->scheme != CONF_SCHEME_HTTPS)
		build_mistake(b, line, "tls_name: has no effect without scheme = https");
	else if (url_hostport_parse(sv_str(r->tls_name), &r->tls_host, &why) < 0)
		build_mistake(b, line, "tls_name: %s", why.text);
	else if (r->tls_host.port)
		build_mistake(b, line, "tls_name: a name or an address, without a port");
}

void conf_check_tls(struct conf_build *b, unsigned i)
{
	struct conf_registry *r = b->c->registry[i];

	if (!conf_speaks_tls(r)) {
		/* A key that suggests otherwise would be a false promise. */
		refuse_keys(b, i, r, "behind a proxy with protocol = http the Cloud Connector does the TLS; put the certificate there");
	} else if (!may_need_tls(r)) {
		refuse_keys(b, i, r, "has no effect without scheme = https, token_hosts or redirect_hosts");
	} else {
		read_name(b, i, r);
		make_context(b, i, r);
	}
}
