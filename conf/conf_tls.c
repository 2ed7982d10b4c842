/* The certificate of the listeners: read with the configuration, shown by the workers.  Master. */
#include <errno.h>
#include <stdio.h>

#include "conf_build.h"
#include "secret.h"

static int line_of(const struct conf_build *b, enum conf_key_index key)
{
	return conf_origin(b->c->origins, CONF_LISTEN, 0)[key];
}

/* Whichever is missing is asked for where the other one stands.  True: both are there. */
static bool both(struct conf_build *b, const struct conf_listen *l)
{
	if (l->tls_certificate[0] && !l->tls_key[0])
		build_mistake(b, line_of(b, CONF_KEY_listen_tls_certificate), "tls_certificate: needs tls_key, too");
	if (!l->tls_certificate[0] && l->tls_key[0])
		build_mistake(b, line_of(b, CONF_KEY_listen_tls_key), "tls_key: needs tls_certificate, too");
	return l->tls_certificate[0] && l->tls_key[0];
}

/* NULL: noted. */
static char *read_named(struct conf_build *b, enum conf_key_index key, const char *written)
{
	char *text = NULL;
	struct err why;

	if (secret_read_written(written, &text, NULL, &why) == 0)
		return text;
	build_mistake(b, line_of(b, key), "%s: %s", conf_keys[key].name, why.text);
	return NULL;
}

void conf_check_certificate(struct conf_build *b)
{
	struct conf_listen *l = &b->c->listen;
	CLEANUP(secret_free_p) char *chain = NULL;
	CLEANUP(secret_free_p) char *key = NULL;
	struct err why;

	if (!both(b, l))
		return;
	chain = read_named(b, CONF_KEY_listen_tls_certificate, l->tls_certificate);
	key = read_named(b, CONF_KEY_listen_tls_key, l->tls_key);
	if (!chain || !key)
		return;
	l->tls = tls_context_server(sv_str(chain), sv_str(key), &why);
	if (l->tls)
		return;
	const enum conf_key_index wrong = why.code == -EKEYREJECTED ? CONF_KEY_listen_tls_key : CONF_KEY_listen_tls_certificate;
	build_mistake(b, line_of(b, wrong), "%s: %s: %s", conf_keys[wrong].name,
	              wrong == CONF_KEY_listen_tls_key ? l->tls_key : l->tls_certificate, why.text);
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
