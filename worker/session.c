/* A session: one client connection from accept to close.  States, deadlines, events.  Worker. */
#include "session.h"

#include <errno.h>

#include "access.h"
#include "live.h"
#include "log.h"
#include "tls_transport.h"

#define STEPS_MAX   32   /* in one turn; then others come first */
#define DRAIN_QUIET 2000 /* ms of silence after which a draining worker closes an idle connection */
#define LINGER_MS   2000
#define RATE_MS     30000 /* over which min_rate is measured; send_timeout where that is less */
#define SAFETY_MS   5000 /* beyond the source's own deadlines, in case it forgets them */

static enum step step_gone(struct session *s);
static enum step expire_quiet(struct session *s);
static enum step expire_client(struct session *s);

static const struct {
	const char *name;
	bool active;
	enum step (*step)(struct session *s);
	enum step (*expire)(struct session *s);
	const char *waits;
} rows[SESSION_STATES] = {
#define ACTIVE true
#define IDLE   false
#define S(name, gauge, step, expire, waits) [SESSION_##name] = { #name, gauge, step, expire, waits },
#include "session_states.def"
#undef S
#undef ACTIVE
#undef IDLE
};

const char *session_waits_for(const struct session *s)
{
	return s->source && s->source->waits_for ? s->source->waits_for : rows[s->state].waits;
}

/* --- state --------------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t quiet_deadline(const struct session *s, uint64_t at_ms)
{
	return s->sv->draining ? earlier(at_ms, s->touched_ms + DRAIN_QUIET) : at_ms;
}

/* --- the rate of a client ------------------------------------------------------------------------ */

static uint64_t rate_window(const struct session *s)
{
	return earlier(s->sv->conf->listen.send_timeout, RATE_MS);
}

/* What the client's socket has taken, which TLS may be ahead of. */
static uint64_t client_took(const struct session *s)
{
	const size_t kept = tls_is(&s->client) ? tls_kept(&s->client) : 0;

	return s->body.written > kept ? s->body.written - kept : 0;
}

static void rate_begin(struct session *s)
{
	s->rate_ms = loop_now(s->sv->loop);
	s->rate_taken = client_took(s);
}

void session_client_kept_up(struct session *s)
{
	s->rate_ms = 0;
}

/* It took enough since rate_ms, or that is not long enough ago. */
static bool rate_is_kept(const struct session *s)
{
	const uint64_t took_ms = loop_now(s->sv->loop) - s->rate_ms, took = client_took(s);

	return s->sv->conf->listen.min_rate == 0 || took_ms < rate_window(s)
	       || (took > s->rate_taken ? took - s->rate_taken : 0) * 1000 / took_ms >= s->sv->conf->listen.min_rate;
}

static uint64_t send_deadline(struct session *s)
{
	if (s->sv->conf->listen.min_rate == 0)
		return s->send_by_ms;
	if (s->rate_ms == 0)
		rate_begin(s);
	return earlier(s->send_by_ms, s->rate_ms + rate_window(s));
}

/* --- deadlines ----------------------------------------------------------------------------------- */

static uint64_t deadline_of(struct session *s, enum session_state state)
{
	const struct conf_listen *listen = &s->sv->conf->listen;
	const struct conf_proxy *proxy = s->rq && s->rq->route.registry ? s->rq->route.registry->proxy : NULL;
	const uint64_t now = loop_now(s->sv->loop);

	switch (state) {
	case SESSION_HELLO: return quiet_deadline(s, s->head_by_ms);
	case SESSION_IDLE: return quiet_deadline(s, s->touched_ms + listen->idle_timeout);
	case SESSION_HANDSHAKE:
	case SESSION_HEAD: return s->head_by_ms;
	case SESSION_FORM: return now + listen->head_timeout;
	case SESSION_SOURCE: return now + (proxy ? proxy->header_budget : 0) + SAFETY_MS;
	case SESSION_MOVE: return now + (proxy ? proxy->stall_timeout : 0) + SAFETY_MS;
	case SESSION_SEND:
	case SESSION_FLUSH: s->send_by_ms = now + listen->send_timeout; return send_deadline(s);
	default: return now + LINGER_MS;
	}
}

static void count_written(struct session *s)
{
	stats_add(&s->sv->stats->client_bytes_out, s->body.written - s->written_seen);
	s->written_seen = s->body.written;
}

static void on_deadline(struct timer *t)
{
	struct session *s = container_of(t, struct session, deadline);

	if (rows[s->state].expire(s) != STEP_WAIT) {
		session_run(s);
		return;
	}
	count_written(s);
	live_update(s);
}

/* One with a turn to come has just given something.  It may be none of the client's: of an answer without a range, what the
 * client has is read again, gigabytes perhaps. */
bool session_source_is_due_later(struct session *s)
{
	const bool gives = !list_empty(&s->later.node);
	const uint64_t at_ms = gives ? deadline_of(s, s->state) : s->source->due_ms ? s->source->due_ms + SAFETY_MS : 0;

	if (at_ms <= loop_now(s->sv->loop))
		return false;
	loop_timer_at(s->sv->loop, &s->deadline, at_ms, on_deadline);
	return true;
}

static void count_gauge(const struct session *s, bool up)
{
	struct stats_slot *st = s->sv->stats;
	_Atomic uint64_t *gauge = rows[s->state].active ? &st->client_active : &st->client_idle;

	if (up)
		stats_add(gauge, 1);
	else
		stats_sub(gauge, 1);
}

void session_set(struct session *s, enum session_state state)
{
	/* To wait again when nothing has moved is the same wait: its deadline stands. */
	if (s->state == state && rows[state].active && s->taken_armed == client_took(s))
		return;
	if (s->state != state) {
		log_fields(LOG_LEVEL_DEBUG, FIELDS(LF_INT("sess", s->id)), "session %s -> %s, waiting for %s",
		           rows[s->state].name, rows[state].name, rows[state].waits);
		count_gauge(s, false);
		s->state = state;
		count_gauge(s, true);
	}
	s->taken_armed = client_took(s);
	loop_timer_at(s->sv->loop, &s->deadline, deadline_of(s, state), on_deadline);
}

/* --- running ------------------------------------------------------------------------------------- */

static void on_later(struct deferred *d)
{
	session_run(container_of(d, struct session, later));
}

void session_run(struct session *s)
{
	enum step r = STEP_AGAIN;

	for (unsigned n = 0; r == STEP_AGAIN && n < STEPS_MAX; n++)
		r = rows[s->state].step(s);
	count_written(s);
	live_update(s);
	if (r != STEP_WAIT && s->state != SESSION_GONE)
		loop_defer(s->sv->loop, &s->later, on_later);
}

/* A client that is gone for good frees its upstream at once.  A plain FIN is not that: it may still read. */
static void on_client(struct transport *t)
{
	struct session *s = container_of(t, struct session, client);

	if (t->failed && s->rq)
		(void)session_client_lost(s, transport_error(t));
	else
		session_run(s);
}

/* --- deadlines ----------------------------------------------------------------------------------- */

static enum step expire_quiet(struct session *s)
{
	return session_close(s);
}

static enum step expire_client(struct session *s)
{
	if (loop_now(s->sv->loop) >= s->send_by_ms || !rate_is_kept(s))
		return session_abort(s, REQUEST_CLIENT_SLOW);
	rate_begin(s);
	loop_timer_at(s->sv->loop, &s->deadline, send_deadline(s), on_deadline);
	return STEP_WAIT;
}

static enum step step_gone(struct session *s)
{
	(void)s;
	return STEP_WAIT;
}

/* --- birth and end ------------------------------------------------------------------------------- */

int session_open(struct service *sv, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	int r = transport_open_plain(&s->client, sv->loop, fd, on_client);
	if (r < 0) {
		free(s);
		return r;
	}
	s->sv = sv;
	s->id = ++sv->next_id;
	if (peer && len <= sizeof(s->peer))
		memcpy(&s->peer, peer, len);
	(void)access_peer(&s->peer, s->peer_text);
	deferred_init(&s->later);
	client_body_init(&s->body, &s->client, &s->out);
	wire_init_request(&s->wire, &sv->limits, true);
	s->touched_ms = loop_now(sv->loop);
	s->head_by_ms = s->touched_ms + sv->conf->listen.head_timeout;
	list_append(&sv->sessions, &s->node);
	stats_set(&sv->stats->sessions, ++sv->count);
	stats_add(&sv->stats->client_accepted, 1);
	s->state = SESSION_HELLO;
	count_gauge(s, true);
	session_set(s, SESSION_HELLO);
	return 0;
}

static void on_free(struct deferred *d)
{
	free(container_of(d, struct session, later));
}

void session_drop_source(struct session *s)
{
	if (!s->source)
		return;
	fetch_facts(s->source, &s->rq->facts);
	s->rq->has_facts = true;
	source_free(s->source);
	s->source = NULL;
}

enum step session_close(struct session *s)
{
	struct service *sv = s->sv;

	if (s->state == SESSION_GONE)
		return STEP_WAIT;
	session_drop_source(s);
	count_written(s);
	transport_close(&s->client);
	loop_timer_stop(&s->deadline);
	count_gauge(s, false);
	s->state = SESSION_GONE;
	live_end(s);
	request_free(s->rq);
	s->rq = NULL;
	buf_return(&s->in, &sv->heads);
	buf_return(&s->out, &sv->answers);
	list_del(&s->node);
	stats_set(&sv->stats->sessions, --sv->count);
	loop_defer_cancel(&s->later);
	loop_defer(sv->loop, &s->later, on_free);
	sv->on_end(sv);
	return STEP_WAIT;
}

static _Atomic uint64_t *abort_counter(struct stats_slot *st, enum request_end end)
{
	switch (request_end_side(end)) {
	case REQUEST_SIDE_CLIENT: return &st->aborted_client;
	case REQUEST_SIDE_UPSTREAM: return &st->aborted_upstream;
	default: return &st->aborted_relay;
	}
}

enum step session_abort(struct session *s, enum request_end end)
{
	assert(s->rq);
	s->rq->end = end;
	stats_add(abort_counter(s->sv->stats, end), 1);
	session_drop_source(s);
	access_line(s);
	transport_reset(&s->client);
	return session_close(s);
}

enum step session_client_lost(struct session *s, int error)
{
	return session_abort(s, error == -ETIMEDOUT ? REQUEST_CLIENT_SLOW : REQUEST_CLIENT_CLOSED);
}

void session_drain(struct session *s)
{
	if (s->state == SESSION_HELLO || s->state == SESSION_IDLE)
		session_set(s, s->state);
}
