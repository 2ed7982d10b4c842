/* The byte gate: the first look at every HTTP head, before any parser.  It finds the end of the head and refuses
 * what two parsers could read differently (RFC 9112 2.2, 5; RFC 9110 5.5).  Resumable: bytes may come one by one
 * and the verdict is the same as for the whole.  Worker, keeper, master (control socket), regctl. */
#ifndef HTTP_GATE_H
#define HTTP_GATE_H

#include <stddef.h>
#include <stdint.h>

#include "strview.h"

enum gate_side { GATE_REQUEST, GATE_RESPONSE };

enum gate_verdict {
	GATE_MORE,      /* not at the end yet */
	GATE_DONE,      /* the head is gate->used bytes long, its last byte is the final LF */
	GATE_BAD,       /* malformed: 400 to a client, 502 for an upstream; gate->why says what */
	GATE_VERSION,   /* a request line with an HTTP version that is not 1.0 or 1.1: 505 */
	GATE_LINE_LONG, /* request line longer than the limit: 414 */
	GATE_HEAD_LONG, /* head or one field line longer than the limit, or too many fields: 431 */
	GATE_TLS        /* first byte 0x16 on a request: a TLS ClientHello */
};

struct gate_limits {
	size_t line;     /* bytes of the start line and of one field line, CRLF not counted */
	size_t head;     /* bytes of the whole head */
	unsigned fields;
};

struct gate {
	enum gate_side side;
	struct gate_limits limits;
	unsigned state;   /* of the scanner */
	size_t used;      /* bytes looked at so far; at GATE_DONE the length of the head */
	size_t line_used; /* bytes of the line we are in */
	unsigned fields;
	unsigned blank;   /* empty lines before the request line (G13: at most 1) */
	size_t start;     /* where the start line begins: after those empty lines */
	const char *why;  /* static text of what was refused */
};

void gate_init(struct gate *g, enum gate_side side, const struct gate_limits *limits);

/* Looks at bytes[g->used..n) of a head that begins at bytes.  Call again with the same bytes plus more.
 * After anything but GATE_MORE the gate must be initialised anew. */
enum gate_verdict gate_feed(struct gate *g, const char *bytes, size_t n);

#endif
