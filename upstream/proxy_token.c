/* The token that a connectivity proxy wants.  Worker and keeper. */
#include "proxy_token.h"

#include <errno.h>
#include <string.h>

#include "http_head.h"

struct proxy_token *proxy_token_new(const struct heritage *h, unsigned position, struct err *reterr)
{
	const enum conf_auth auth = h->conf->proxy[position]->auth;

	reterr->code = 0;
	if (auth != CONF_AUTH_BEARER && auth != CONF_AUTH_SERVICE_TOKEN)
		return NULL;
	struct proxy_token *t = calloc(1, sizeof(*t));
	if (!t) {
		(void)err_sys(reterr, -ENOMEM, "cannot set up tokens");
		return NULL;
	}
	t->entry = &h->shm->token[h->gen_index][position];
	t->auth = auth;
	return t;
}

void proxy_token_free(struct proxy_token *t)
{
	if (!t)
		return;
	explicit_bzero(&t->copy, sizeof(t->copy));
	free(t);
}

static bool is_refused(const struct proxy_token *t)
{
	return atomic_load_explicit(&t->entry->refused, memory_order_relaxed) == t->copy.serial;
}

enum proxy_token_state proxy_token_look(struct proxy_token *t, uint64_t now_ms)
{
	const uint32_t seq = token_seq(t->entry);

	if (!t->known || seq != t->seq) {
		t->known = token_read(t->entry, &t->copy) == 0;
		t->seq = seq;
	}
	if (!t->known)
		return PROXY_TOKEN_WAIT;
	if (t->copy.state == TOKEN_FAILED)
		return PROXY_TOKEN_FAILED;
	return t->copy.state == TOKEN_GOOD && t->copy.until_ms > now_ms && !is_refused(t) ? PROXY_TOKEN_READY : PROXY_TOKEN_WAIT;
}

void proxy_token_refused(struct proxy_token *t, uint32_t serial, const struct heritage *h)
{
	if (serial == t->copy.serial && !is_refused(t)) {
		atomic_store_explicit(&t->entry->refused, serial, memory_order_relaxed);
		heritage_wake(h);
	}
}

bool proxy_token_put(const struct proxy_token *t, struct buf *b)
{
	const struct strview token = sv_make(t->copy.bytes, t->copy.n);

	if (t->auth == CONF_AUTH_SERVICE_TOKEN)
		return http_put_field(b, SV("SAP-CP-Connectivity-Service-Token"), token);
	return token_is_ok(token) && buf_printf(b, "Proxy-Authorization: Bearer " SV_FMT "\r\n", SV_ARG(token));
}
