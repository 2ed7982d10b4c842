/* Credentials: for the connectivity proxy, and the relay's own for a registry.  Master. */
#include <limits.h>

#include "conf_binding.h"
#include "conf_build.h"
#include "conf_login.h"
#include "config.h"
#include "secret.h"
#include "tls_context.h"
#include "tokens.h"

/* --- the connectivity proxy ------------------------------------------------------------------------------------ */

static int line_of(const struct conf_build *b, unsigned i, enum conf_key_index key)
{
	return conf_origin(b->c->origins, CONF_PROXY, i)[key];
}

static void check_binding(struct conf_build *b, unsigned i, struct conf_proxy *p)
{
	const struct conf_pair pair = { CONF_PROXY, i, CONF_KEY_proxy_tls_client_certificate, CONF_KEY_proxy_tls_client_key };
	const int line = line_of(b, i, CONF_KEY_proxy_credentials);
	struct conf_binding binding;
	struct err why;

	if (!conf_pair_read(b, &pair, &p->client_chain, &p->client_key))
		return; /* what a binding lacks without it would be a false lead */
	if (conf_binding_read(p, &binding, &why) < 0) {
		build_mistake(b, line, "credentials: %s", why.text);
		return;
	}
	conf_ca_hash(p->ca_file, p->ca_hash);
	struct tls_context *tls = conf_tls_client(p->ca_file, &why);
	const bool bad = tls && binding.certificate
	                 && tls_context_certificate(tls, sv_str(binding.certificate), sv_str(binding.key), &why) < 0;
	if (!tls)
		build_mistake(b, p->ca_file[0] ? line_of(b, i, CONF_KEY_proxy_ca_file) : line, "ca_file: %s", why.text);
	else if (bad && p->client_chain)
		conf_pair_refuse(b, &pair, &why);
	else if (bad)
		build_mistake(b, line, "credentials: %s: %s", p->credentials, why.text);
	tls_context_free(tls);
	conf_binding_free(&binding);
}

static void check_token_file(struct conf_build *b, unsigned i, const struct conf_proxy *p)
{
	CLEANUP(secret_free_p) char *token = NULL;
	const int line = line_of(b, i, CONF_KEY_proxy_token_file);
	struct err why;

	if (secret_read_written(p->token_file, &token, NULL, &why) < 0)
		build_mistake(b, line, "token_file: %s", why.text);
	else if (!token_is_ok(sv_str(token)))
		build_mistake(b, line, "token_file: %s: no token (one line of at most %d letters, digits and -._~+/=)", p->token_file, TOKEN_MAX);
}

/* Keys that say nothing where they stand. */
static void check_idle(struct conf_build *b, unsigned i, enum conf_key_index key, const char *needs)
{
	const char *value = *(char *const *)conf_const_field(&conf_keys[key], b->c->proxy[i]);

	if (value[0])
		build_mistake(b, line_of(b, i, key), "%s: has no effect without %s", conf_keys[key].name, needs);
}

void conf_check_auth(struct conf_build *b, unsigned i)
{
	struct conf_proxy *p = b->c->proxy[i];
	const int line = line_of(b, i, CONF_KEY_proxy_auth);

	if (p->auth == CONF_AUTH_NONE || p->auth == CONF_AUTH_BASIC) {
		check_idle(b, i, CONF_KEY_proxy_credentials, "auth = bearer or service-token");
		check_idle(b, i, CONF_KEY_proxy_token_file, "auth = bearer or service-token");
	}
	if (!p->credentials[0]) {
		check_idle(b, i, CONF_KEY_proxy_token_resource, "credentials");
		check_idle(b, i, CONF_KEY_proxy_ca_file, "credentials");
		check_idle(b, i, CONF_KEY_proxy_tls_client_certificate, "credentials");
		check_idle(b, i, CONF_KEY_proxy_tls_client_key, "credentials");
	}
	if (p->auth != CONF_AUTH_BEARER && p->auth != CONF_AUTH_SERVICE_TOKEN)
		return;
	if (p->credentials[0] && p->token_file[0])
		build_mistake(b, line_of(b, i, CONF_KEY_proxy_token_file), "token_file: the token comes from credentials already");
	else if (p->credentials[0])
		check_binding(b, i, p);
	else if (p->token_file[0])
		check_token_file(b, i, p);
	else
		build_mistake(b, line, "auth: credentials or token_file must say where the token comes from");
}

/* --- registries ------------------------------------------------------------------------------------------------- */

void conf_check_login(struct conf_build *b, unsigned i)
{
	struct conf_registry *r = b->c->registry[i];
	const char *path = conf_login_path(r->authorization);
	const int line = conf_origin(b->c->origins, CONF_REGISTRY, i)[CONF_KEY_registry_authorization];
	struct err why;

	if (!conf_login_is_ok(r->authorization)) {
		build_mistake(b, line, "authorization: pass, or file: and an absolute path (or credential:NAME)");
		return;
	}
	if (!path)
		return;
	if (r->allow.count == 0) /* whoever reaches the port pulls with it */
		build_mistake(b, line, "authorization: allow must say what anyone who reaches the port may pull with these credentials");
	if (conf_login_read(path, &r->host, &r->login, &why) < 0)
		build_mistake(b, line, "authorization: %s", why.text);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

int conf_ca_file(const char *written, char *dst, size_t cap, struct err *reterr)
{
	return secret_path(written[0] ? written : CA_BUNDLE_DEFAULT, dst, cap, reterr);
}

struct tls_context *conf_tls_client(const char *written, struct err *reterr)
{
	char path[PATH_MAX];

	return conf_ca_file(written, path, sizeof(path), reterr) < 0 ? NULL : tls_context_client(path, reterr);
}

void conf_ca_hash(const char *written, char ret[65])
{
	char path[PATH_MAX];
	struct err ignored = { .code = 0 };

	if (!written[0] || conf_ca_file(written, path, sizeof(path), &ignored) < 0 || conf_file_hash(path, ret, &ignored) < 0)
		ret[0] = '\0';
}
