/* Gate and parser library over the same bytes.  We slice the head ourselves, out of bytes the gate has passed, and
 * decide by our own rules; the library is the second opinion, and where the two differ the message is refused.
 * Worker, keeper, master, regctl. */
#include <assert.h>

/* The library has names of ours, with another meaning; it takes these instead. */
#define http_method parser_method
#define HTTP_GET    PARSER_GET
#define HTTP_HEAD   PARSER_HEAD
#define HTTP_POST   PARSER_POST
#include <http_parser.h>
#undef http_method
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST

#include "cleanup.h"
#include "http_wire.h"
#include "num.h"
#include "url.h"

static enum wire_result refuse(struct wire *w, enum wire_result result, const char *why)
{
	w->why = why;
	return result;
}

/* --- slicing ---------------------------------------------------------------------------------------------------- */

/* METHOD SP target SP HTTP/1.x */
static void slice_request_line(struct strview line, struct http_head *h)
{
	h->minor = (unsigned)(line.p[line.n - 1] - '0');
	(void)sv_cut(&line, ' ', &h->method_text);
	(void)sv_cut(&line, ' ', &h->target);
	if (sv_eq(h->method_text, SV("GET")))
		h->method = HTTP_GET;
	else if (sv_eq(h->method_text, SV("HEAD")))
		h->method = HTTP_HEAD;
	else if (sv_eq(h->method_text, SV("POST")))
		h->method = HTTP_POST;
	else
		h->method = HTTP_METHOD_OTHER;
}

/* HTTP/1.x SP 3DIGIT SP reason */
static void slice_status_line(struct strview line, struct http_head *h)
{
	h->minor = (unsigned)(line.p[7] - '0');
	for (int i = 9; i < 12; i++)
		h->status = h->status * 10 + (unsigned)(line.p[i] - '0');
	h->reason = sv_from(line, 13);
}

/* name: value CRLF, which begin at p; the gate has seen to colon and LF.  Returns what follows. */
static const char *slice_field(const char *p, const char *end, struct http_head *h)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));

	assert(colon);
	const char *value = colon + 1, *lf = memchr(value, '\n', (size_t)(end - value));
	assert(lf && lf > value);
	http_head_add(h, sv_make(p, (size_t)(colon - p)), sv_trim(sv_make(value, (size_t)(lf - value) - 1)));
	return lf + 1;
}

static void slice(const struct gate *g, const char *bytes, struct http_head *h)
{
	const char *p = bytes + g->start, *end = bytes + g->used, *lf = memchr(p, '\n', (size_t)(end - p));

	assert(lf && lf > p);
	const struct strview line = sv_make(p, (size_t)(lf - p) - 1);

	h->bytes = g->used;
	if (g->side == GATE_REQUEST)
		slice_request_line(line, h);
	else
		slice_status_line(line, h);
	for (p = lf + 1; *p != '\r';)
		p = slice_field(p, end, h);
	assert(h->fields == g->fields);
}

/* --- framing: RFC 9112 6 ---------------------------------------------------------------------------------------- */

/* Reads Content-Length and Transfer-Encoding into h; NULL or what is wrong with them.  Stricter than the RFC where
 * readers are known to differ: no second Content-Length even of the same value, no list, no leading zero, and no
 * coding but chunked, once. */
static const char *read_framing(struct http_head *h, bool *ret_chunked)
{
	const unsigned lengths = http_head_count(h, SV("Content-Length"));
	const unsigned codings = http_head_count(h, SV("Transfer-Encoding"));
	const struct strview length = http_head_value(h, SV("Content-Length"));
	uint64_t n = 0;

	if (codings && lengths)
		return "both Content-Length and Transfer-Encoding";
	if (codings && h->minor == 0)
		return "Transfer-Encoding in HTTP/1.0";
	if (codings && (codings > 1 || !sv_eq_nocase(http_head_value(h, SV("Transfer-Encoding")), SV("chunked"))))
		return "a Transfer-Encoding other than chunked";
	if (lengths > 1)
		return "more than one Content-Length";
	if (lengths && ((length.n > 1 && length.p[0] == '0') || num_u64(length, INT64_MAX, &n) < 0))
		return "a malformed Content-Length";
	h->has_length = lengths == 1;
	h->content_length = n;
	*ret_chunked = codings == 1;
	return NULL;
}

static enum http_framing request_framing(const struct http_head *h, bool chunked)
{
	if (chunked)
		return HTTP_BODY_CHUNKED;
	return h->has_length && h->content_length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}

static enum http_framing response_framing(const struct http_head *h, bool chunked, bool head_request)
{
	if (head_request || h->status < 200 || h->status == 204 || h->status == 304)
		return HTTP_BODY_NONE;
	if (chunked)
		return HTTP_BODY_CHUNKED;
	return h->has_length ? HTTP_BODY_LENGTH : HTTP_BODY_CLOSE;
}

/* RFC 9112 9.3; close beats keep-alive.  After CONNECT the bytes would belong to another protocol. */
static bool may_keep_alive(const struct http_head *h)
{
	if (h->connection_names && http_head_has_token(h, SV("Connection"), SV("close")))
		return false;
	if (h->framing == HTTP_BODY_CLOSE || sv_eq(h->method_text, SV("CONNECT")))
		return false;
	return h->minor == 1 || http_head_has_token(h, SV("Connection"), SV("keep-alive"));
}

/* --- the second opinion ----------------------------------------------------------------------------------------- */

struct opinion {
	unsigned begun, heads; /* calls of the two callbacks */
	unsigned method, status, major, minor, flags;
	uint64_t length;
};

static int on_begin(http_parser *p)
{
	((struct opinion *)p->data)->begun++;
	return 0;
}

static int on_head(http_parser *p)
{
	struct opinion *o = p->data;

	o->heads++;
	o->method = p->method;
	o->status = p->status_code;
	o->major = p->http_major;
	o->minor = p->http_minor;
	o->flags = p->flags;
	o->length = p->content_length;
	if (p->method != HTTP_CONNECT || p->type == HTTP_RESPONSE)
		p->upgrade = 0; /* an Upgrade field is an offer, which we do not take */
	return 0;
}

/* Lets the library read the head: all but its last byte, which must not be enough, then that one, which must be.
 * So its idea of where the head ends is known to the byte. */
static enum http_errno read_again(const struct http_head *h, enum gate_side side, const char *bytes, struct opinion *o,
                                  bool *ret_same_end)
{
	static const http_parser_settings settings = { .on_message_begin = on_begin, .on_headers_complete = on_head };
	http_parser p;

	http_parser_init(&p, side == GATE_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE);
	p.data = o;
	bool same = http_parser_execute(&p, &settings, bytes, h->bytes - 1) == h->bytes - 1 && o->heads == 0;
	if (HTTP_PARSER_ERRNO(&p) == HPE_OK)
		same &= http_parser_execute(&p, &settings, bytes + h->bytes - 1, 1) == 1;
	*ret_same_end = same && o->heads == 1 && o->begun == 1
	                && p.upgrade == sv_eq(h->method_text, SV("CONNECT"));
	return HTTP_PARSER_ERRNO(&p);
}

/* Without Content-Length the library's length is all ones (or 0 when it stopped caring: chunked). */
static bool same_framing(const struct http_head *h, bool chunked, const struct opinion *o)
{
	if (!!(o->flags & F_CHUNKED) != chunked || !!(o->flags & F_CONTENTLENGTH) != h->has_length)
		return false;
	return !h->has_length || o->length == h->content_length;
}

static enum wire_result second_opinion(struct wire *w, const struct http_head *h, const char *bytes, bool chunked)
{
	struct opinion o = { 0 };
	bool same_end = false;
	const enum http_errno e = read_again(h, w->gate.side, bytes, &o, &same_end);

	if (e == HPE_INVALID_METHOD && w->gate.side == GATE_REQUEST)
		return refuse(w, WIRE_METHOD, "an unknown method");
	if (e != HPE_OK)
		return refuse(w, WIRE_BAD, http_errno_description(e));
	if (!same_end)
		return refuse(w, WIRE_BAD, "a head whose end is not clear");
	if (o.major != 1 || o.minor != h->minor || !same_framing(h, chunked, &o))
		return refuse(w, WIRE_BAD, "a head that can be read in two ways");
	if (w->gate.side == GATE_RESPONSE)
		return o.status == h->status ? WIRE_DONE : refuse(w, WIRE_BAD, "a status that can be read in two ways");
	if (!sv_eq(sv_str(http_method_str((enum parser_method)o.method)), h->method_text))
		return refuse(w, WIRE_BAD, "a method that can be read in two ways");
	return WIRE_DONE;
}

/* --- what a request must be, besides well-formed ---------------------------------------------------------------- */

/* Connection may name fields that we then drop (RFC 9110 7.6.1): not those that frame, address or authorize. */
static bool connection_names_too_much(const struct http_head *h)
{
	const struct strview ours[] = {
		SV("host"), SV("content-length"), SV("transfer-encoding"), SV("authorization"), SV("cache-control"),
	};

	if (!h->connection_names)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (http_head_has_token(h, SV("Connection"), ours[i]))
			return true;
	return false;
}

static enum wire_result check_request(struct wire *w, const struct http_head *h)
{
	const unsigned hosts = http_head_count(h, SV("Host"));

	if (hosts > 1)
		return refuse(w, WIRE_HOST, "more than one Host");
	if (hosts == 0 && h->minor > 0)
		return refuse(w, WIRE_HOST, "no Host");
	if (hosts == 1 && !url_host_field_ok(http_head_value(h, SV("Host"))))
		return refuse(w, WIRE_HOST, "a malformed Host");
	if (connection_names_too_much(h))
		return refuse(w, WIRE_BAD, "Connection names a field that must stay");
	if (!w->body_allowed && h->framing == HTTP_BODY_CHUNKED)
		return refuse(w, WIRE_BODY, "a request with a chunked body");
	if (!w->body_allowed && h->framing == HTTP_BODY_LENGTH)
		return refuse(w, WIRE_BODY, "a request with a body");
	return WIRE_DONE;
}

/* The gate has found the end. */
static enum wire_result read_head(struct wire *w, const char *bytes, struct http_head *h)
{
	const bool request = w->gate.side == GATE_REQUEST;
	bool chunked = false;

	memset(h, 0, offsetof(struct http_head, field));
	slice(&w->gate, bytes, h);
	const char *wrong = read_framing(h, &chunked);
	if (wrong)
		return refuse(w, WIRE_BAD, wrong);
	if (h->status == 101)
		return refuse(w, WIRE_BAD, "a switch of protocols that nobody asked for");
	h->framing = request ? request_framing(h, chunked) : response_framing(h, chunked, w->head_request);
	h->keep_alive = may_keep_alive(h);
	h->expect_continue = h->minor > 0 && http_head_count(h, SV("Expect")) == 1
	                     && sv_eq_nocase(http_head_value(h, SV("Expect")), SV("100-continue"));
	const enum wire_result agreed = second_opinion(w, h, bytes, chunked);
	return agreed == WIRE_DONE && request ? check_request(w, h) : agreed;
}

/* --- the outside ------------------------------------------------------------------------------------------------ */

void wire_setup(size_t head_limit)
{
	static size_t most; /* the library has one limit for all heads of the process, on both sides */

	if (head_limit <= most)
		return;
	most = head_limit;
	/* The library counts a little differently; ours is the limit that decides. */
	http_parser_set_max_header_size((uint32_t)(head_limit < UINT32_MAX / 2 ? head_limit + 1024 : UINT32_MAX / 2));
}

static void init(struct wire *w, enum gate_side side, const struct gate_limits *limits)
{
	assert(limits->fields <= HTTP_FIELDS_MAX);
	*w = (struct wire){ 0 };
	gate_init(&w->gate, side, limits);
}

void wire_init_request(struct wire *w, const struct gate_limits *limits, bool body_allowed)
{
	init(w, GATE_REQUEST, limits);
	w->body_allowed = body_allowed;
}

void wire_init_response(struct wire *w, const struct gate_limits *limits, bool head_request)
{
	init(w, GATE_RESPONSE, limits);
	w->head_request = head_request;
}

enum wire_result wire_feed(struct wire *w, const char *bytes, size_t n, struct http_head *ret)
{
	switch (gate_feed(&w->gate, bytes, n)) {
	case GATE_MORE:
		return WIRE_MORE;
	case GATE_DONE:
		return read_head(w, bytes, ret);
	case GATE_VERSION:
		return refuse(w, WIRE_VERSION, w->gate.why);
	case GATE_LINE_LONG:
		return refuse(w, WIRE_LINE_LONG, w->gate.why);
	case GATE_HEAD_LONG:
		return refuse(w, WIRE_HEAD_LONG, w->gate.why);
	case GATE_TLS:
		return refuse(w, WIRE_TLS, w->gate.why);
	case GATE_BAD:
		break;
	}
	return refuse(w, WIRE_BAD, w->gate.why);
}
