/* The relay's own error answers.  Worker. */
#include "reply.h"

#include <stdio.h>

#include "http_date.h"

#define RETRY_AFTER_S 5
#define BODY_MAX      2048

/* Appends s with '"' and '\' escaped, which is right in a JSON string and in a quoted-string (RFC 9110 5.6.4)
 * alike, because the text is printable ASCII. */
static bool put_escaped(struct buf *b, struct strview s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((s.p[i] == '"' || s.p[i] == '\\') && !buf_put(b, SV("\\")))
			return false;
		if (!buf_put(b, sv_make(s.p + i, 1)))
			return false;
	}
	return true;
}

static bool put_member(struct buf *b, struct strview before, struct strview value)
{
	return value.n == 0 || (buf_put(b, before) && put_escaped(b, value) && buf_put(b, SV("\"")));
}

static bool put_body(struct buf *b, const struct reply *r, const struct error_row *row)
{
	return put_member(b, SV("{\"errors\":[{\"code\":\""), sv_str(row->code))
	       && put_member(b, SV(",\"message\":\""), r->text)
	       && put_member(b, SV(",\"detail\":{\"id\":\""), sv_str(row->name))
	       && put_member(b, SV(",\"cause\":\""), sv_str(row->cause))
	       && put_member(b, SV(",\"fix\":\""), sv_str(row->fix))
	       && put_member(b, SV(",\"request\":\""), r->request_id) && buf_put(b, SV("}}]}\n"));
}

static bool put_status_line(struct buf *b, const struct reply *r, const struct error_row *row)
{
	if (r->as_ok)
		return buf_put(b, SV("HTTP/1.1 200 OK\r\n"));
	return buf_printf(b, "HTTP/1.1 %u " SV_FMT "\r\n", reply_status(r),
	                  SV_ARG(r->text.n ? r->text : sv_str(row->name)));
}

static bool put_extra(struct buf *b, const struct reply *r, unsigned status)
{
	if (status == 405 && !buf_put(b, SV("Allow: GET, HEAD\r\n")))
		return false;
	if ((status == 503 || status == 504) && !buf_printf(b, "Retry-After: %d\r\n", RETRY_AFTER_S))
		return false;
	if (r->request_id.n && !buf_printf(b, "X-Request-Id: " SV_FMT "\r\n", SV_ARG(r->request_id)))
		return false;
	return !r->close || buf_put(b, SV("Connection: close\r\n"));
}

static bool put_head(struct buf *b, const struct reply *r, const struct error_row *row, size_t length)
{
	char date[HTTP_DATE_MAX];

	http_date(r->wall_ms, date);
	return put_status_line(b, r, row)
	       && buf_printf(b, "Date: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n", date,
	                     length)
	       && buf_printf(b, "X-Regrelay-Error: %s\r\nWarning: 299 - \"", row->name)
	       && put_escaped(b, r->text) && buf_put(b, SV("\"\r\n")) && put_extra(b, r, reply_status(r))
	       && buf_put(b, SV("\r\n"));
}

unsigned reply_status(const struct reply *r)
{
	return r->as_ok ? 200 : error_row(r->id)->status;
}

bool reply_put(struct buf *b, const struct reply *r, size_t *ret_body)
{
	const struct error_row *row = error_row(r->id);
	const size_t before = b->end;
	uint8_t mem[BODY_MAX];
	struct buf body = { .mem = mem, .cap = sizeof(mem) };

	if (put_body(&body, r, row) && put_head(b, r, row, buf_len(&body))
	    && (r->head || buf_put(b, buf_view(&body)))) {
		*ret_body = r->head ? 0 : buf_len(&body);
		return true;
	}
	b->end = before;
	return false;
}
