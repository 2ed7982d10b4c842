/* The byte gate: the first look at every HTTP head, before any parser.  It finds the end of the head and refuses
 * what two parsers could read differently (RFC 9112 2.2, 5; RFC 9110 5.5).  Resumable: bytes may come one by one
 * and the verdict is the same as for the whole.  Worker, keeper, master (control socket), regctl. */
#ifndef HTTP_GATE_H
#define HTTP_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strview.h"

enum gate_side { GATE_REQUEST, GATE_RESPONSE };

enum gate_verdict {
	GATE_MORE,      /* not at the end yet */
	GATE_DONE,      /* the head is gate->used bytes long, its last byte is the final LF */
	GATE_BAD,       /* malformed: 400 to a client, 502 for an upstream; gate->why says what */
	GATE_VERSION,   /* a request line that ends in HTTP/digit.digit, but not in 1.0 or 1.1: 505 */
	GATE_LINE_LONG, /* start line longer than the limit: 414 */
	GATE_HEAD_LONG, /* head or one field line longer than the limit, or too many fields: 431 */
	GATE_TLS        /* first byte 0x16 on a request: a TLS ClientHello */
};

/* Exactly so much is taken.  What cannot end within a limit any more is refused at once: a buffer of `head` bytes
 * is enough, and a full one never waits. */
struct gate_limits {
	size_t line;     /* bytes of the start line and of one field line, CRLF not counted */
	size_t head;     /* bytes of the whole head, an empty line before it and the final one included */
	unsigned fields;
};

struct gate {
	enum gate_side side;
	struct gate_limits limits;
	unsigned state;   /* of the scanner */
	unsigned step;    /* bytes of the HTTP version or the status read so far */
	bool other;       /* the version is HTTP, but not one of ours */
	size_t used;      /* bytes looked at so far; at GATE_DONE the length of the head */
	size_t line_used; /* bytes of the line we are in */
	unsigned fields;
	unsigned blank;   /* empty lines before the request line (G13: at most 1) */
	size_t start;     /* where the start line begins: after those empty lines */
	const char *why;  /* static text of what was refused */
};

/* What passes, on both sides: lines end in CRLF and nowhere else stands a CR or LF; no line begins with a space or
 * tab (folding); a field name is a token with ':' right behind it; a value has no controls but the tab (bytes >= 0x80
 * are legal there).  A request line is token SP target SP HTTP/1.[01] with single spaces, the target made of the
 * characters of a URI without fragment (RFC 3986 2): what a registry serves needs no other.  A status line is
 * HTTP/1.[01] SP three digits, 100-599, SP and a reason: RFC 9112 4 has the second space even without a reason, which
 * may hold bytes >= 0x80 (whoever prints it escapes it). */

void gate_init(struct gate *g, enum gate_side side, const struct gate_limits *limits);

/* Looks at bytes[g->used..n) of a head that begins at bytes.  Call again with the same bytes plus more.
 * After anything but GATE_MORE the gate must be initialised anew. */
enum gate_verdict gate_feed(struct gate *g, const char *bytes, size_t n);

#endif
