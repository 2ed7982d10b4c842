/* Gate and parser together: both read the same bytes and must agree on where the head ends, or the message is
 * refused.  The only file that includes http_parser.h is http_wire.c, so that another parser can take its place. */
#ifndef HTTP_WIRE_H
#define HTTP_WIRE_H

#include "http_gate.h"
#include "http_head.h"

enum wire_result {
	WIRE_MORE,
	WIRE_DONE,
	WIRE_BAD,          /* 400 / 502 */
	WIRE_VERSION,      /* 505 */
	WIRE_LINE_LONG,    /* 414 */
	WIRE_HEAD_LONG,    /* 431 */
	WIRE_TLS,          /* ClientHello */
	WIRE_METHOD,       /* method unknown to HTTP: 501 */
	WIRE_HOST,         /* no Host, two, or a malformed one: 400 */
	WIRE_BODY          /* a request with a body where none may be: 413 with a length, 400 with chunks (framing) */
};

struct wire {
	struct gate gate;
	bool body_allowed; /* requests: POST of a form; otherwise Content-Length > 0 and Transfer-Encoding are refused */
	bool head_request; /* responses: it answers a HEAD */
	const char *why;   /* static text when the result is not MORE or DONE */
};

/* For a request head.  body_allowed only where the route takes a body (token POST). */
void wire_init_request(struct wire *w, const struct gate_limits *limits, bool body_allowed);
/* For a response head; head_request: the request was a HEAD. */
void wire_init_response(struct wire *w, const struct gate_limits *limits, bool head_request);

/* Looks at bytes[0..n), the same as before plus more.  WIRE_DONE: *ret is filled, its views point into bytes, and
 * ret->bytes of them are the head.  Interim responses (1xx) are delivered as heads of their own.  With WIRE_METHOD,
 * WIRE_HOST and WIRE_BODY *ret is filled as well: method and target for the log, framing for the status; the request
 * is refused all the same, and nothing that follows it on the connection may be read.
 *
 * Beyond the gate's rules (http_gate.h) this refuses as WIRE_BAD: Transfer-Encoding beside Content-Length, in HTTP/1.0,
 * twice, or other than "chunked"; Content-Length twice (even the same), as a list, with sign or leading zero, or above
 * INT64_MAX; a status 101; a request whose Connection names Host, Content-Length, Transfer-Encoding, Authorization or
 * Cache-Control.  An HTTP/1.1 request has exactly one Host; one of HTTP/1.0 may have none (RFC 9112 3.2 asks it of 1.1
 * only, and old probes send none), but not two.  CONNECT is HTTP_METHOD_OTHER and never keeps the connection. */
enum wire_result wire_feed(struct wire *w, const char *bytes, size_t n, struct http_head *ret);

/* By whoever reads heads, with its limit, before its first wire_feed: puts the parser's own limit, which is one for the
 * process, above ours.  The largest that was asked for stays. */
void wire_setup(size_t head_limit);

#endif
