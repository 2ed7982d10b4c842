/* What a client of the doctor has yet to take.  Keeper. */
#include "doctor_out.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void doctor_out_put(struct doctor_out *o, const char *bytes, size_t n)
{
	char *grown = o->n + n <= DOCTOR_OUT_MAX ? realloc(o->bytes, o->n + n) : NULL;

	if (!grown) {
		o->failed = true;
		return;
	}
	memcpy(grown + o->n, bytes, n);
	o->bytes = grown;
	o->n += n;
}

static const char *reason_of(unsigned status)
{
	switch (status) {
	case 200: return "OK";
	case 404: return "Not Found";
	case 409: return "Conflict";
	case 411: return "Length Required";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 417: return "Expectation Failed";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 505: return "HTTP Version Not Supported";
	default: return "Bad Request";
	}
}

void doctor_out_head(struct doctor_out *o, unsigned status, long length)
{
	char head[256], field[64] = "";

	if (length >= 0)
		(void)snprintf(field, sizeof(field), "Content-Length: %ld\r\n", length);
	const int n = snprintf(head, sizeof(head),
	                       "HTTP/1.1 %u %s\r\nContent-Type: application/%s\r\n%sCache-Control: no-store\r\nConnection: close\r\n\r\n",
	                       status, reason_of(status), length < 0 ? "x-ndjson" : "json", field);
	assert(n > 0 && (size_t)n < sizeof(head)); /* all parts are ours and short */
	doctor_out_put(o, head, (size_t)n);
}

void doctor_out_document(struct doctor_out *o, unsigned status, json_t *document)
{
	char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	if (!text) {
		o->failed = true;
		return;
	}
	if (status)
		doctor_out_head(o, status, (long)strlen(text) + 1);
	doctor_out_put(o, text, strlen(text));
	doctor_out_put(o, "\n", 1);
	free(text);
}

int doctor_out_flush(struct doctor_out *o, struct transport *t)
{
	while (o->sent < o->n && !o->failed) {
		const ssize_t n = transport_write(t, o->bytes + o->sent, o->n - o->sent);
		if (n < 0)
			return n == -EAGAIN ? 0 : -1;
		o->sent += (size_t)n;
	}
	return o->failed ? -1 : 1;
}

void doctor_out_done(struct doctor_out *o)
{
	free(o->bytes);
	*o = (struct doctor_out){ .bytes = NULL };
}
