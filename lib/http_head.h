/* A parsed HTTP head: start line and fields as views into the bytes it was parsed from (which must stay put as
 * long as the head is used).  Filled by http_wire.c, which alone knows the parser library. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "strview.h"

#define HTTP_FIELDS_MAX 128 /* bound of the table; the configured limit is lower */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_METHOD_OTHER /* known to the parser, not to us */ };

struct http_field {
	struct strview name, value; /* value is trimmed; bytes >= 0x80 are legal, controls but the tab are not */
};

enum http_framing {
	HTTP_BODY_NONE,   /* no body follows, whatever the fields say (HEAD, 1xx, 204, 304) or a request without one */
	HTTP_BODY_LENGTH, /* content_length bytes */
	HTTP_BODY_CHUNKED,
	HTTP_BODY_CLOSE   /* until the connection ends; responses only */
};

struct http_head {
	unsigned minor;             /* HTTP/1.minor */
	enum http_method method;    /* requests */
	struct strview method_text;
	struct strview target;      /* request target as sent */
	unsigned status;            /* responses, 100..599 */
	struct strview reason;      /* may hold bytes >= 0x80, no controls but the tab */
	unsigned fields;
	enum http_framing framing;
	uint64_t content_length;    /* when has_length */
	bool has_length;            /* a valid Content-Length was there (also with HEAD, 304) */
	bool keep_alive;            /* may the connection carry another message (RFC 9112 9.3) */
	bool expect_continue;       /* one Expect, of 100-continue; in HTTP/1.0 it means nothing (RFC 9110 10.1.1) */
	bool connection_names;      /* Connection says more than keep-alive: it may name fields, or close */
	size_t bytes;               /* length of the head */
	uint64_t name_lengths;      /* bit n: a name below is n bytes long (modulo 64); what is not there is not looked for */
	struct http_field field[HTTP_FIELDS_MAX]; /* the first `fields` of them; last, and not cleared: it is 4 KiB */
};

/* Adds a field, there must be room: the only writer of fields, name_lengths and connection_names but for a clear. */
void http_head_add(struct http_head *h, struct strview name, struct strview value);

/* False: none has a name of that length, as most that are looked for. */
static inline bool http_head_may_have(const struct http_head *h, struct strview name)
{
	return h->name_lengths >> (name.n & 63) & 1;
}

const struct http_field *http_head_search(const struct http_head *h, struct strview name);
unsigned http_head_search_all(const struct http_head *h, struct strview name);

/* The first field of that name (any case); NULL when there is none. */
static inline const struct http_field *http_head_find(const struct http_head *h, struct strview name)
{
	return http_head_may_have(h, name) ? http_head_search(h, name) : NULL;
}

/* Its value, or SV_NONE. */
static inline struct strview http_head_value(const struct http_head *h, struct strview name)
{
	const struct http_field *f = http_head_find(h, name);

	return f ? f->value : SV_NONE;
}

static inline unsigned http_head_count(const struct http_head *h, struct strview name)
{
	return http_head_may_have(h, name) ? http_head_search_all(h, name) : 0;
}

/* True when a field `name` (a comma list, any of its lines) has that token (any case). */
bool http_head_has_token(const struct http_head *h, struct strview name, struct strview token);
/* True when Connection names it, so that it is for the next hop only (RFC 9110 7.6.1). */
static inline bool http_head_names_hop(const struct http_head *h, struct strview name)
{
	return h->connection_names && http_head_has_token(h, SV("Connection"), name);
}
/* True for Connection, Keep-Alive, TE, Trailer, Transfer-Encoding, Upgrade, Proxy-*, and what Connection names
 * (RFC 9110 7.6.1). */
bool http_head_is_hop_by_hop(const struct http_head *h, struct strview name);

/* tchar, RFC 9110 5.6.2 */
bool http_is_token(struct strview s);

/* Appends "name: value\r\n", all or nothing.  False when there is no room, or when name is no token or value has a
 * control character: that would be something else than one field. */
MUST_CHECK bool http_put_field(struct buf *b, struct strview name, struct strview value);

/* It expects something else than leave to send its body: 417 (RFC 9110 10.1.1).  HTTP/1.0 means nothing by it. */
bool http_head_expects_else(const struct http_head *h);

#endif
