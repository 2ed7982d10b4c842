/* What the log says about requests.  Worker. */
#include "access.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "log.h"
#include "num.h"

#define FIELDS_OF_LINE 28
#define PATH_SHOWN     512 /* bytes; a line has 4096 for everything */
#define AGENT_SHOWN    256

/* A line under construction; fields beyond the table are left out. */
struct line {
	struct log_field field[FIELDS_OF_LINE];
	unsigned count;
};

static void add(struct line *l, struct log_field f)
{
	if (l->count < FIELDS_OF_LINE)
		l->field[l->count++] = f;
}

static void add_text(struct line *l, const char *key, struct strview text, size_t shown)
{
	if (text.n == 0)
		return;
	if (text.n > shown)
		text.n = shown;
	add(l, (struct log_field)LF_SV(key, text));
}

static void add_number(struct line *l, const char *key, uint64_t n)
{
	add(l, (struct log_field)LF_INT(key, n));
}

const char *access_peer(const union session_peer *peer, char dst[INET6_ADDRSTRLEN])
{
	const struct in6_addr *six = &peer->v6.sin6_addr;

	dst[0] = '\0';
	if (peer->sa.sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &peer->v4.sin_addr, dst, INET6_ADDRSTRLEN);
	else if (peer->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six))
		(void)inet_ntop(AF_INET, &six->s6_addr[12], dst, INET6_ADDRSTRLEN);
	else if (peer->sa.sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, six, dst, INET6_ADDRSTRLEN);
	return dst;
}

static struct strview without_query(struct strview target)
{
	const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;

	return mark ? sv_make(target.p, (size_t)(mark - target.p)) : target;
}

static void add_request(struct line *l, const struct session *s)
{
	const struct request *rq = s->rq;

	add_number(l, "sess", s->id);
	add_text(l, "request_id", sv_str(rq->id), REQUEST_ID_MAX);
	add_text(l, "http.request.method", rq->method_text, 32);
	add_text(l, "url.path", without_query(rq->target), PATH_SHOWN);
	add_text(l, "http.route", sv_str(stats_route_name(rq->route.kind)), 32);
	if (rq->route.registry)
		add_text(l, "registry", sv_str(rq->route.registry->name), CONF_NAME_MAX);
	if (rq->error != ERROR_NONE)
		add_text(l, "error.type", sv_str(error_row(rq->error)->name), 64);
}

static void add_upstream(struct line *l, const struct request *rq)
{
	if (!rq->has_facts)
		return;
	if (rq->facts.proxy)
		add_text(l, "upstream", sv_str(rq->facts.proxy->name), CONF_NAME_MAX);
	add_number(l, "upstream.tries", rq->facts.tries);
	add_number(l, "upstream.reused", rq->facts.reused);
	if (rq->facts.redirects)
		add_number(l, "upstream.redirects", rq->facts.redirects);
	if (rq->facts.resumes) {
		add_number(l, "upstream.resumes", rq->facts.resumes);
		add_number(l, "upstream.resumed_at", rq->facts.resumed_at);
	}
	if (rq->facts.skipped)
		add_number(l, "upstream.skipped_bytes", rq->facts.skipped);
	if (rq->facts.parks)
		add_number(l, "upstream.parks", rq->facts.parks);
	add_number(l, "upstream.connect_ms", rq->facts.connect_ms);
	add_number(l, "upstream.first_byte_ms", rq->facts.first_byte_ms);
	if (rq->facts.upstream_status)
		add_number(l, "upstream.status", rq->facts.upstream_status);
}

static void warn_broken(const struct session *s, const struct line *l)
{
	log_line(LOG_LEVEL_WARNING, l->field, l->count,
	         "an answer broke off after %" PRIu64 " bytes: %s; closing the client", s->rq->body_bytes,
	         s->rq->error_text);
}

/* "answered 200, 351 bytes" */
static void log_answered(const struct request *rq, const struct line *l)
{
	char text[sizeof("answered ,  bytes") + 2 * NUM_DIGITS];
	struct buf words = { .mem = (uint8_t *)text, .cap = sizeof(text) };

	if (buf_put(&words, SV("answered ")) && buf_put_number(&words, rq->status) && buf_put(&words, SV(", "))
	    && buf_put_number(&words, rq->body_bytes) && buf_put(&words, SV(" bytes")))
		log_words(LOG_LEVEL_INFO, l->field, l->count, buf_view(&words));
}

void access_line(const struct session *s)
{
	const struct request *rq = s->rq;
	const uint64_t now = loop_now(s->sv->loop);
	UNCLEARED struct line l;

	l.count = 0;
	if (request_end_side(rq->end) == REQUEST_SIDE_UPSTREAM && log_wants(LOG_LEVEL_WARNING)) {
		add_request(&l, s);
		warn_broken(s, &l);
		l.count = 0;
	}
	if (!s->sv->conf->log.access || !log_wants(LOG_LEVEL_INFO) || rq->error == ERROR_REQUEST_TLS)
		return;
	add_request(&l, s);
	if (rq->status)
		add_number(&l, "http.response.status_code", rq->status);
	add_number(&l, "http.response.body.size", rq->body_bytes);
	add_number(&l, "duration_ms", now - rq->began_ms);
	if (rq->head_ms)
		add_number(&l, "ttfb_ms", rq->head_ms - rq->began_ms);
	add_text(&l, "client.address", sv_str(s->peer_text), sizeof(s->peer_text));
	add_text(&l, "user_agent.original", rq->user_agent, AGENT_SHOWN);
	add_upstream(&l, rq);
	add_text(&l, "termination", sv_str(request_end_code(rq->end)), 32);
	log_answered(rq, &l);
}

void access_error(const struct session *s)
{
	const struct request *rq = s->rq;
	struct line l = { .count = 0 };

	if (rq->error >= ERROR_REQUEST_MALFORMED || !log_wants(LOG_LEVEL_WARNING))
		return;
	add_request(&l, s);
	log_line(LOG_LEVEL_WARNING, l.field, l.count, "%s. %s", rq->error_text, error_row(rq->error)->fix);
}
