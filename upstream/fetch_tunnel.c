/* A fetch on its way from a connected socket to one on which the request can be sent: through SOCKS5 or CONNECT to the target,
 * then TLS with it.  Worker and keeper. */
#include "fetch_impl.h"

#include <errno.h>

#include "http_head.h"
#include "proxy_token.h"
#include "tls_transport.h"

/* --- both kinds of tunnel --------------------------------------------------------------------------------------- */

static void broken(struct fetch *f, enum error_id id, enum retry_cause cause, const char *detail)
{
	struct fetch_error e;

	fetch_error_set(&e, id, "%s", detail);
	fetch_attempt_failed(f, cause, &e);
}

static void broke_off(struct fetch *f, ssize_t r, const char *where)
{
	struct fetch_error e;
	char text[64];

	if (r == -ENOMEM) {
		fetch_fail_memory(f);
		return;
	}
	fetch_error_set(&e, ERROR_UPSTREAM_CLOSED, "%s within %s", r == 0 ? "closed" : strerror_r((int)-r, text, sizeof(text)), where);
	fetch_attempt_failed(f, RETRY_CAUSE_PASSING, &e);
}

/* Sends what out holds.  0 = all of it; -EAGAIN; negative: the attempt has failed. */
static int flush(struct fetch *f, const char *where)
{
	while (buf_len(&f->out)) {
		const ssize_t n = conn_write(f->conn, buf_view(&f->out));
		if (n == -EAGAIN)
			return -EAGAIN;
		if (n < 0) {
			broke_off(f, n, where);
			return (int)n;
		}
		buf_consume(&f->out, (size_t)n);
	}
	buf_clear(&f->out);
	return 0;
}

static void tunnel_open(struct fetch *f)
{
	/* A token, or credentials, were in it. */
	buf_wipe(&f->out, &f->upstream->bufs);
	buf_return(&f->conn->in, &f->upstream->bufs);
	fetch_secure(f);
}

/* --- SOCKS5 ----------------------------------------------------------------------------------------------------- */

static void socks_refused(struct fetch *f)
{
	static const struct {
		enum error_id id;
		enum retry_cause cause;
	} known[] = {
		[2] = { ERROR_MAPPING_MISSING, RETRY_CAUSE_FINAL },
		[3] = { ERROR_TUNNEL_DOWN, RETRY_CAUSE_PASSING },
		[4] = { ERROR_BACKEND_UNREACHABLE, RETRY_CAUSE_PASSING },
		[5] = { ERROR_PROXY_TOKEN_REFUSED, RETRY_CAUSE_FINAL },
	};
	const unsigned reply = f->socks.reply;
	struct fetch_error e = { .id = ERROR_NONE };
	enum retry_cause cause = reply == 1 ? RETRY_CAUSE_PASSING : RETRY_CAUSE_FINAL;

	if (reply < ARRAY_LEN(known) && known[reply].id) {
		e.id = known[reply].id;
		cause = known[reply].cause;
	}
	fetch_error_set(&e, e.id ? e.id : ERROR_SOCKS_REFUSED, "SOCKS5 reply %u, %s", reply, socks_reply_text(reply));
	if (e.id == ERROR_PROXY_TOKEN_REFUSED && f->pool->token)
		fetch_token_refused(f, &e);
	else
		fetch_attempt_failed(f, cause, &e);
}

static void login_failed(struct fetch *f)
{
	struct fetch_error e;

	fetch_error_set(&e, ERROR_PROXY_TOKEN_REFUSED, "SOCKS5 authentication failed");
	if (f->pool->token)
		fetch_token_refused(f, &e);
	else
		fetch_attempt_failed(f, RETRY_CAUSE_FINAL, &e);
}

static void no_method(struct fetch *f)
{
	if (conf_socks_shows_token(f->pool->proxy))
		broken(f, ERROR_PROXY_REFUSED, RETRY_CAUSE_FINAL, "none of socks_methods is known there");
	else
		broken(f, ERROR_PROXY_TOKEN, RETRY_CAUSE_FINAL, "");
}

/* The token may have changed since the greeting; a connection goes by the one that it is shown. */
static bool show_token(struct fetch *f)
{
	if (!f->pool->token || f->socks.stage != SOCKS_METHOD)
		return true;
	if (!fetch_has_token(f))
		return false;
	f->conn->identity = f->waiter.identity;
	f->socks.token = sv_make(f->pool->token->copy.bytes, f->pool->token->copy.n);
	return true;
}

static void socks_step(struct fetch *f)
{
	if (!show_token(f))
		return;
	const enum socks_result r = socks_feed(&f->socks, &f->conn->in, &f->out);
	f->socks.token = SV_NONE;
	switch (r) {
	case SOCKS_MORE: case SOCKS_SAY: break;
	case SOCKS_OPEN: tunnel_open(f); break;
	case SOCKS_NO_METHOD: no_method(f); break;
	case SOCKS_LOGIN_FAILED: login_failed(f); break;
	case SOCKS_REFUSED: socks_refused(f); break;
	case SOCKS_GARBAGE: broken(f, ERROR_PROXY_MALFORMED, RETRY_CAUSE_FINAL, "no SOCKS5"); break;
	case SOCKS_EARLY: broken(f, ERROR_PROXY_MALFORMED, RETRY_CAUSE_PASSING, "bytes behind a SOCKS5 reply"); break;
	case SOCKS_NO_ROOM: fetch_fail_memory(f); break;
	}
}

static void socks_go_on(struct fetch *f)
{
	while (f->state == FETCH_SOCKS && flush(f, "SOCKS5") == 0) {
		const ssize_t n = conn_fill(f->conn);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			broke_off(f, n, "SOCKS5");
			return;
		}
		socks_step(f);
	}
}

static void socks_start(struct fetch *f)
{
	f->socks = (struct socks){ .proxy = f->pool->proxy, .target = f->key->target, .location_id = f->key->location_id };
	if (!socks_begin(&f->socks, &f->out)) {
		fetch_fail_memory(f);
		return;
	}
	fetch_set(f, FETCH_SOCKS);
	socks_go_on(f);
}

/* --- CONNECT (RFC 9110 9.3.6) ----------------------------------------------------------------------------------- */

static bool put_connect(struct fetch *f)
{
	const char *at = f->key->authority;
	const struct conf_login *basic = f->pool->proxy->basic;

	return buf_printf(&f->out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", at, at)
	       && (!f->pool->token || proxy_token_put(f->pool->token, &f->out))
	       && (!basic || http_put_field(&f->out, SV("Proxy-Authorization"), sv_str(basic->value)))
	       && buf_put(&f->out, SV("\r\n"));
}

static void connect_refused(struct fetch *f, unsigned status)
{
	const struct conf_proxy *p = f->pool->proxy;
	struct fetch_error e;

	fetch_error_set(&e, ERROR_CONNECT_REFUSED, "it answers %u", status);
	if (status != 407)
		fetch_attempt_failed(f, status >= 500 ? RETRY_CAUSE_PASSING : RETRY_CAUSE_FINAL, &e);
	else if (f->pool->token) {
		fetch_error_set(&e, ERROR_PROXY_TOKEN_REFUSED, "it answers 407");
		fetch_token_refused(f, &e);
	} else {
		broken(f, p->basic ? ERROR_PROXY_CREDENTIALS_REFUSED : ERROR_PROXY_CREDENTIALS, RETRY_CAUSE_FINAL, "");
	}
}

/* A 2xx has no body, whatever its head says; what follows would be the tunnel's, and nothing was asked there yet. */
static void connect_answered(struct fetch *f)
{
	const struct http_head *h = &f->response.head;

	if (h->status / 100 != 2)
		connect_refused(f, h->status);
	else if (h->status == 204 || h->status == 205)
		broken(f, ERROR_PROXY_MALFORMED, RETRY_CAUSE_FINAL, "no content, where a tunnel was asked for");
	else if (buf_len(&f->conn->in) > h->bytes)
		broken(f, ERROR_PROXY_MALFORMED, RETRY_CAUSE_PASSING, "bytes behind the answer to CONNECT");
	else
		tunnel_open(f);
}

static void connect_go_on(struct fetch *f)
{
	int error = 0;

	if (flush(f, "CONNECT") != 0)
		return;
	switch (response_read(&f->response, f->conn, &error)) {
	case RESPONSE_MORE: break;
	case RESPONSE_DONE: connect_answered(f); break;
	case RESPONSE_BAD: broken(f, ERROR_PROXY_MALFORMED, RETRY_CAUSE_FINAL, f->response.why ? f->response.why : "no HTTP"); break;
	case RESPONSE_BROKE: broke_off(f, -error, "CONNECT"); break;
	case RESPONSE_MEMORY: fetch_fail_memory(f); break;
	}
}

static void connect_start(struct fetch *f)
{
	if (!put_connect(f)) {
		fetch_fail_memory(f);
		return;
	}
	response_init(&f->response, true);
	fetch_set(f, FETCH_CONNECT);
	connect_go_on(f);
}

/* --- TLS -------------------------------------------------------------------------------------------------------- */

static void tls_go_on(struct fetch *f)
{
	struct transport *t = &f->conn->transport;
	const int r = tls_handshake(t);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		broken(f, ERROR_TLS, tls_is_final(t) ? RETRY_CAUSE_FINAL : RETRY_CAUSE_PASSING, tls_why(t));
		return;
	}
	stats_add(tls_resumed(t) ? &f->upstream->heritage->stats->tls_resumed : &f->upstream->heritage->stats->tls_full, 1);
	fetch_ask(f);
}

void fetch_secure(struct fetch *f)
{
	if (!f->key->tls) {
		fetch_ask(f);
		return;
	}
	if (tls_begin_client(&f->conn->transport, f->key->tls, f->key->tls_name, f->key->ticket) < 0) {
		fetch_fail_memory(f);
		return;
	}
	fetch_set(f, FETCH_TLS);
	tls_go_on(f);
}

/* --- from outside ----------------------------------------------------------------------------------------------- */

void fetch_tunnel(struct fetch *f)
{
	const enum conf_protocol protocol = f->pool->proxy->direct ? CONF_PROTOCOL_HTTP : f->pool->proxy->protocol;

	if (protocol == CONF_PROTOCOL_HTTP) {
		fetch_secure(f);
		return;
	}
	if (!fetch_has_token(f)) /* the keeper has none any more: waits for one, without a connection */
		return;
	f->conn->identity = f->waiter.identity;
	if (buf_borrow(&f->out, &f->upstream->bufs) < 0) {
		fetch_fail_memory(f);
		return;
	}
	buf_clear(&f->out);
	if (protocol == CONF_PROTOCOL_SOCKS5)
		socks_start(f);
	else
		connect_start(f);
}

void fetch_on_tunnel(struct fetch *f)
{
	switch (f->state) {
	case FETCH_SOCKS: socks_go_on(f); break;
	case FETCH_CONNECT: connect_go_on(f); break;
	case FETCH_TLS: tls_go_on(f); break;
	default: break;
	}
}
