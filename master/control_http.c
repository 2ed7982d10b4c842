/* One request and one answer of the control API as HTTP.  Master. */
#include "control_http.h"

#include <errno.h>
#include <stdio.h>

static const struct gate_limits limits = {
	.line = CONTROL_HEAD_MAX,
	.head = CONTROL_HEAD_MAX,
	.fields = CONTROL_FIELDS_MAX,
};

void control_request_init(struct control_request *r)
{
	*r = (struct control_request){ 0 };
	wire_init_request(&r->wire, &limits, true);
}

static enum control_progress refuse(struct control_refusal *ret, unsigned status, const char *why)
{
	*ret = (struct control_refusal){ .status = status, .why = why };
	return CONTROL_REFUSED;
}

static unsigned status_of(enum wire_result result)
{
	switch (result) {
	case WIRE_VERSION: return 505;
	case WIRE_LINE_LONG: return 414;
	case WIRE_HEAD_LONG: return 431;
	case WIRE_METHOD: return 501;
	default: return 400;
	}
}

static enum control_progress take_head(struct control_request *r, const struct http_head *h,
                                       struct control_refusal *ret)
{
	const enum control_call call = control_call_find(h->target);

	if (call == CONTROL_CALLS)
		return refuse(ret, 404, "there is no such path below /v1/; see regctl(1)");
	if (!sv_eq(h->method_text, sv_str(control_call_row(call)->method))) {
		*ret = (struct control_refusal){ 405, "this path wants another method",
		                                 control_call_row(call)->method };
		return CONTROL_REFUSED;
	}
	if (call == CONTROL_DOCTOR) /* not met: such a client was passed on before its head was read */
		return refuse(ret, 400, "this request must begin with its method and path");
	if (h->framing == HTTP_BODY_CHUNKED)
		return refuse(ret, 411, "a body must come with Content-Length");
	if (h->framing == HTTP_BODY_LENGTH && h->content_length > CONTROL_BODY_MAX)
		return refuse(ret, 413, "the body is larger than 64 KiB");
	r->has_head = true;
	r->streams = sv_eq(http_head_value(h, SV("Accept")), SV("application/x-ndjson"));
	r->call = call;
	r->head = h->bytes;
	r->body = h->framing == HTTP_BODY_LENGTH ? (size_t)h->content_length : 0;
	return CONTROL_MORE;
}

enum control_progress control_request_feed(struct control_request *r, const char *bytes, size_t n,
                                           struct control_refusal *ret)
{
	if (!r->has_head) {
		struct http_head h;
		const enum wire_result result = wire_feed(&r->wire, bytes, n, &h);

		if (result == WIRE_MORE)
			return CONTROL_MORE;
		if (result != WIRE_DONE)
			return refuse(ret, status_of(result), r->wire.why ? r->wire.why : "malformed request");
		if (take_head(r, &h, ret) == CONTROL_REFUSED)
			return CONTROL_REFUSED;
	}
	return n - r->head >= r->body ? CONTROL_COMPLETE : CONTROL_MORE;
}

static const char *reason_of(unsigned status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 409: return "Conflict";
	case 405: return "Method Not Allowed";
	case 411: return "Length Required";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 422: return "Unprocessable Content";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 505: return "HTTP Version Not Supported";
	default: return "Internal Server Error";
	}
}

/* The connection carries one exchange: nothing to get wrong in framing, and regctl asks once anyway. */
static int assemble(struct control_answer *a, unsigned status, const char *allow, const char *body, size_t n)
{
	char head[512];
	const int h = snprintf(head, sizeof(head),
	                       "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	                       "Cache-Control: no-store\r\n%s%s%sConnection: close\r\n\r\n",
	                       status, reason_of(status), n + 1, allow ? "Allow: " : "", allow ? allow : "",
	                       allow ? "\r\n" : "");
	char *bytes = h > 0 && (size_t)h < sizeof(head) ? malloc((size_t)h + n + 1) : NULL;

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, head, (size_t)h);
	memcpy(bytes + h, body, n);
	bytes[(size_t)h + n] = '\n'; /* for people with curl */
	a->bytes = bytes;
	a->n = (size_t)h + n + 1;
	return 0;
}

int control_answer_make(struct control_answer *a, unsigned status, const char *allow, json_t *body)
{
	static const char failed[] = "{\"error\":\"the answer could not be made: out of memory or too large\"}";
	CLEANUP(free_p) char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	const size_t n = text ? strlen(text) : 0;

	json_decref(body);
	if (!text || n > CONTROL_ANSWER_MAX - CONTROL_HEAD_MAX)
		return assemble(a, 500, NULL, failed, sizeof(failed) - 1);
	return assemble(a, status, allow, text, n);
}

int control_answer_begin_lines(struct control_answer *a)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\n"
	                           "Connection: close\r\n\r\n";

	control_answer_done(a);
	a->bytes = strdup(head);
	a->n = sizeof(head) - 1;
	return a->bytes ? 0 : -ENOMEM;
}

int control_answer_line(struct control_answer *a, json_t *line)
{
	CLEANUP(free_p) char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	char *bytes = NULL;
	int n = text ? asprintf(&bytes, "%s\n", text) : -1;

	json_decref(line);
	control_answer_done(a);
	if (n < 0)
		return -ENOMEM;
	a->bytes = bytes;
	a->n = (size_t)n;
	return 0;
}

int control_answer_error(struct control_answer *a, unsigned status, const char *allow, const char *text)
{
	return control_answer_make(a, status, allow, json_pack("{s:s}", "error", text));
}

void control_answer_done(struct control_answer *a)
{
	free(TAKE(a->bytes));
	*a = (struct control_answer){ 0 };
}
