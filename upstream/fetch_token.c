/* A fetch and the token its proxy wants: before the queue, and when the proxy refuses it.  Worker and keeper. */
#include "fetch_impl.h"
#include "proxy_token.h"

bool fetch_has_token(struct fetch *f)
{
	struct proxy_token *t = f->pool->token;
	struct fetch_error e;

	if (!t)
		return true;
	switch (proxy_token_look(t, loop_now(f->upstream->loop))) {
	case PROXY_TOKEN_READY:
		f->waiter.identity = t->copy.serial;
		return true;
	case PROXY_TOKEN_WAIT:
		fetch_drop_conn(f, false);
		list_append(&f->upstream->news, &f->waiting);
		fetch_set(f, FETCH_TOKEN);
		return false;
	case PROXY_TOKEN_FAILED:
		break;
	}
	fetch_error_set(&e, ERROR_PROXY_TOKEN_MISSING, "%s", t->copy.error);
	fetch_fail(f, &e);
	return false;
}

void fetch_token_late(struct fetch *f, struct fetch_error *e)
{
	const struct token *copy = &f->pool->token->copy;

	if (copy->error[0])
		fetch_error_set(e, ERROR_PROXY_TOKEN_MISSING, "%s", copy->error);
	else if (e->id == ERROR_NONE) /* else: the refusal of the one before */
		fetch_error_set(e, ERROR_PROXY_TOKEN_MISSING, "none came in time");
}

/* A refused request was not passed on, so that even a POST may be sent again. */
void fetch_token_refused(struct fetch *f, struct fetch_error *e)
{
	proxy_token_refused(f->pool->token, f->conn->identity, f->upstream->heritage);
	e->id = ERROR_PROXY_TOKEN_REFUSED;
	if (f->refused++) {
		fetch_attempt_failed(f, RETRY_CAUSE_FINAL, e);
		return;
	}
	fetch_drop_conn(f, false);
	f->last = *e;
	f->again_at_ms = loop_now(f->upstream->loop);
	fetch_set(f, FETCH_RETRY);
}
