/* Steps of a session at its beginning: is it TLS, and the handshake.  Worker. */
#include "session.h"

#include <errno.h>

#include "log.h"
#include "tls_transport.h"

#define FIRST_OF_TLS 0x16 /* a record of type handshake, RFC 8446 5.1; no method of HTTP begins so */

static enum step begin(struct session *s)
{
	if (tls_begin_server(&s->client, s->sv->conf->listen.tls) < 0)
		return session_close(s);
	session_set(s, SESSION_HANDSHAKE);
	return STEP_AGAIN;
}

/* Plain and TLS share the port.  Whoever has no certificate needs not look. */
enum step step_hello(struct session *s)
{
	if (!s->sv->conf->listen.tls || tls_is(&s->client))
		return step_head(s);
	if (!s->client.readable)
		return STEP_WAIT;
	const int first = transport_peek(&s->client);
	if (first == -EAGAIN)
		return STEP_WAIT;
	if (first < 0)
		return session_close(s);
	return first == FIRST_OF_TLS ? begin(s) : step_head(s);
}

/* --- the handshake ----------------------------------------------------------------------------------------------- */

/* Scanners and probes end so, too: nothing that an operator must see at once. */
static enum step failed(struct session *s, const char *why)
{
	stats_add(&s->sv->stats->handshakes_failed, 1);
	log_fields(LOG_LEVEL_INFO, FIELDS(LF_INT("sess", s->id), LF_SV("client.address", sv_str(s->peer_text))),
	           "no TLS with this client: %s", why);
	return session_close(s);
}

enum step step_handshake(struct session *s)
{
	struct stats_slot *st = s->sv->stats;
	const int r = tls_handshake(&s->client);

	if (r == -EAGAIN)
		return STEP_WAIT;
	if (r < 0)
		return failed(s, tls_why(&s->client));
	stats_add(tls_resumed(&s->client) ? &st->handshakes_resumed : &st->handshakes_full, 1);
	s->touched_ms = loop_now(s->sv->loop);
	session_set(s, SESSION_HELLO);
	return STEP_AGAIN;
}

enum step expire_handshake(struct session *s)
{
	return failed(s, "TLS: the handshake took longer than head_timeout");
}
