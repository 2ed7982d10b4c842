/* The head of a relayed answer.  Worker. */
#include "answer_head.h"

#include "fields.h"
#include "http_date.h"
#include "links.h"
#include "realm.h"

enum answer_framing answer_framing(const struct answer *a)
{
	if (a->to_head || a->empty || a->framing == HTTP_BODY_NONE || a->head->status == 204 || a->head->status == 304)
		return ANSWER_NO_BODY;
	if (a->framing == HTTP_BODY_LENGTH)
		return ANSWER_LENGTH;
	return a->minor == 0 ? ANSWER_CLOSE : ANSWER_CHUNKED;
}

/* A reason phrase may hold bytes above 0x7f, which mean something else to everybody: they become '?'. */
static bool put_status_line(struct buf *b, const struct http_head *h)
{
	if (!buf_put(b, SV("HTTP/1.1 ")) || !buf_put_number(b, h->status) || !buf_put(b, SV(" ")) || !buf_put(b, h->reason))
		return false;
	for (size_t i = b->end - h->reason.n; i < b->end; i++)
		if (b->mem[i] < 0x20 || b->mem[i] > 0x7e)
			b->mem[i] = '?';
	return buf_put(b, SV("\r\n"));
}

/* A field that passes; of a token server's answer nothing leads anywhere. */
static bool put_field(struct buf *b, const struct answer *a, const struct http_field *f)
{
	const struct realm_at at = { .registry = a->route->registry, .tls = a->tls, .host = a->host };
	const bool leads = a->route->kind != ROUTE_TOKEN;

	const bool challenge = leads && sv_eq_nocase(f->name, SV("WWW-Authenticate"));
	const bool location = leads && sv_eq_nocase(f->name, SV("Location"));
	const bool link = leads && sv_eq_nocase(f->name, SV("Link"));

	if (!challenge && !location && !link)
		return http_put_field(b, f->name, f->value);
	return buf_put(b, f->name) && buf_put(b, SV(": "))
	       && (challenge ? realm_put(b, f->value, &at)
	           : location ? links_put_location(b, f->value, a->route) : links_put_link(b, f->value, a->route))
	       && buf_put(b, SV("\r\n"));
}

static bool put_fields(struct buf *b, const struct answer *a)
{
	const struct strview ns = sv_str(a->route->ns);

	for (unsigned i = 0; i < a->head->fields; i++) {
		const struct http_field *f = &a->head->field[i];
		if (!fields_answer_passes(a->head, f->name)
		    || (ns.n && sv_eq_nocase(f->name, SV("OCI-Namespace"))))
			continue;
		if (!put_field(b, a, f))
			return false;
	}
	return true;
}

static bool put_length(struct buf *b, uint64_t n)
{
	return buf_put(b, SV("Content-Length: ")) && buf_put_number(b, n) && buf_put(b, SV("\r\n"));
}

static bool put_framing(struct buf *b, const struct answer *a)
{
	switch (answer_framing(a)) {
	case ANSWER_LENGTH: return put_length(b, a->length);
	case ANSWER_CHUNKED: return buf_put(b, SV("Transfer-Encoding: chunked\r\n"));
	case ANSWER_CLOSE: return true;
	case ANSWER_NO_BODY: break;
	}
	if (a->empty)
		return put_length(b, 0);
	/* The length of what a GET would get (RFC 9110 8.6); a 204 must not have one. */
	return !a->head->has_length || a->head->status == 204 || put_length(b, a->head->content_length);
}

static bool put_own(struct buf *b, const struct answer *a)
{
	char date[HTTP_DATE_MAX];

	if (!http_head_find(a->head, SV("Date"))) {
		http_date(a->wall_ms, date);
		if (!http_put_field(b, SV("Date"), sv_str(date)))
			return false;
	}
	if (a->route->ns[0] && !http_put_field(b, SV("OCI-Namespace"), sv_str(a->route->ns)))
		return false;
	if (a->request_id.n && !http_put_field(b, SV("X-Request-Id"), a->request_id))
		return false;
	if ((a->close || answer_framing(a) == ANSWER_CLOSE) && !buf_put(b, SV("Connection: close\r\n")))
		return false;
	return buf_put(b, SV("\r\n"));
}

bool answer_head_put(struct buf *b, const struct answer *a)
{
	const size_t before = b->end;

	if (put_status_line(b, a->head) && put_fields(b, a) && put_framing(b, a) && put_own(b, a))
		return true;
	b->end = before;
	return false;
}
