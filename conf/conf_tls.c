/* Certificates of our own and their keys, read with the configuration: the listeners', and those that servers are shown.  Master. */
#include <errno.h>
#include <stdio.h>

#include "conf_build.h"
#include "secret.h"

/* --- pairs ------------------------------------------------------------------------------------------------------- */

static int line_of(const struct conf_build *b, const struct conf_pair *p, enum conf_key_index key)
{
	return conf_origin(b->c->origins, p->section, p->i)[key];
}

/* The path as it is written; "" = none. */
static const char *path_of(const struct conf_build *b, const struct conf_pair *p, enum conf_key_index key)
{
	return *(char *const *)conf_const_field(&conf_keys[key], conf_instance(b->c, p->section, p->i));
}

/* NULL: noted. */
static char *read_named(struct conf_build *b, const struct conf_pair *p, enum conf_key_index key)
{
	char *text = NULL;
	struct err why;

	if (secret_read_written(path_of(b, p, key), &text, NULL, &why) == 0)
		return text;
	build_mistake(b, line_of(b, p, key), "%s: %s", conf_keys[key].name, why.text);
	return NULL;
}

bool conf_pair_read(struct conf_build *b, const struct conf_pair *p, char **ret_chain, char **ret_key)
{
	const bool certificate = path_of(b, p, p->certificate)[0], key = path_of(b, p, p->key)[0];
	const enum conf_key_index there = certificate ? p->certificate : p->key, missing = certificate ? p->key : p->certificate;

	if (!certificate && !key)
		return true;
	if (!certificate || !key) { /* asked for where the other one stands */
		build_mistake(b, line_of(b, p, there), "%s: needs %s, too", conf_keys[there].name, conf_keys[missing].name);
		return false;
	}
	CLEANUP(secret_free_p) char *chain_text = read_named(b, p, p->certificate);
	CLEANUP(secret_free_p) char *key_text = read_named(b, p, p->key);
	if (!chain_text || !key_text)
		return false;
	*ret_chain = TAKE(chain_text);
	*ret_key = TAKE(key_text);
	return true;
}

void conf_pair_refuse(struct conf_build *b, const struct conf_pair *p, const struct err *why)
{
	const enum conf_key_index wrong = why->code == -EKEYREJECTED ? p->key : p->certificate;

	build_mistake(b, line_of(b, p, wrong), "%s: %s: %s", conf_keys[wrong].name, path_of(b, p, wrong), why->text);
}

/* --- the listeners' ---------------------------------------------------------------------------------------------- */

void conf_check_certificate(struct conf_build *b)
{
	static const struct conf_pair pair = { CONF_LISTEN, 0, CONF_KEY_listen_tls_certificate, CONF_KEY_listen_tls_key };
	CLEANUP(secret_free_p) char *chain = NULL, *key = NULL;
	struct conf_listen *l = &b->c->listen;
	struct err why;

	if (!conf_pair_read(b, &pair, &chain, &key) || !chain)
		return;
	l->tls = tls_context_server(sv_str(chain), sv_str(key), &why);
	if (!l->tls)
		conf_pair_refuse(b, &pair, &why);
}

bool conf_tls_warning(const struct conf *c, uint64_t now_s, char *dst, size_t cap)
{
	const struct tls_context *tls = c->listen.tls;
	const char *what = NULL;

	if (tls && tls_context_expires(tls) <= now_s)
		what = "has expired";
	else if (tls && tls_context_begins(tls) > now_s)
		what = "is not valid yet (is the clock right?)";
	if (what)
		(void)snprintf(dst, cap, "tls_certificate: %s %s: clients will refuse it", c->listen.tls_certificate, what);
	return what != NULL;
}
