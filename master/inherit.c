/* What a newborn generation is given of the one that runs.  Master. */
#include "inherit.h"

#include <string.h>

#include "tokens.h"

/* --- names --------------------------------------------------------------------------------------------------------- */

static int name_in(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->names_count && i < SHM_NAMES; i++)
		if (strcmp(c->names[i], name) == 0)
			return (int)i;
	return -1;
}

static void give_name(const struct names_entry *from, struct names_entry *to)
{
	struct names_entry e;

	if (names_read(from, &e) == 0 && e.state == NAMES_GOOD && e.count > 0)
		names_publish(to, NAMES_GOOD, e.address, e.count, "", e.changed_ms);
}

static void give_names(struct shm *shm, struct estate to, struct estate from)
{
	for (unsigned i = 0; i < to.conf->names_count && i < SHM_NAMES; i++) {
		const int at = name_in(from.conf, to.conf->names[i]);
		if (at >= 0)
			give_name(&shm->names[from.index][at], &shm->names[to.index][i]);
	}
}

/* --- tokens -------------------------------------------------------------------------------------------------------- */

static bool same_source(const struct conf_proxy *a, const struct conf_proxy *b)
{
	return !a->direct && !b->direct && strcmp(a->name, b->name) == 0 && strcmp(a->credentials, b->credentials) == 0
	       && strcmp(a->token_file, b->token_file) == 0 && strcmp(a->token_resource, b->token_resource) == 0;
}

static int token_in(const struct conf *c, const struct conf_proxy *p)
{
	for (unsigned i = 0; i < c->proxies && i < SHM_TOKENS; i++)
		if (same_source(c->proxy[i], p))
			return (int)i;
	return -1;
}

static void give_token(const struct token_entry *from, struct token_entry *to, uint64_t now_ms)
{
	struct token t;

	if (token_seq(from) != 0 && token_read(from, &t) == 0 && t.state == TOKEN_GOOD && t.until_ms > now_ms
	    && atomic_load_explicit(&from->refused, memory_order_relaxed) != t.serial)
		token_publish(to, &t);
	explicit_bzero(&t, sizeof(t));
}

static void give_tokens(struct shm *shm, struct estate to, struct estate from, uint64_t now_ms)
{
	for (unsigned i = 0; i < to.conf->proxies && i < SHM_TOKENS; i++) {
		const int at = token_in(from.conf, to.conf->proxy[i]);
		if (at >= 0)
			give_token(&shm->token[from.index][at], &shm->token[to.index][i], now_ms);
	}
}

void inherit(struct shm *shm, struct estate to, struct estate from, uint64_t now_ms)
{
	names_reset(shm, to.index);
	token_reset(shm->token[to.index], SHM_TOKENS);
	if (!from.conf)
		return;
	give_names(shm, to, from);
	give_tokens(shm, to, from, now_ms);
}
