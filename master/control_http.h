/* One request and one answer of the control API as HTTP: bytes in, a call or a refusal out; JSON in, bytes out.
 * Knows no sockets and no master.  Master. */
#ifndef CONTROL_HTTP_H
#define CONTROL_HTTP_H

#include <jansson.h>

#include "cleanup.h"
#include "control_api.h"
#include "http_wire.h"

struct control_request {
	struct wire wire;
	bool has_head;
	enum control_call call;  /* when has_head */
	bool streams;            /* Accept names application/x-ndjson: progress is welcome */
	size_t head, body;       /* bytes, when has_head; body <= CONTROL_BODY_MAX */
};

struct control_refusal {
	unsigned status;
	const char *why;         /* static text */
	const char *allow;       /* value of Allow; NULL = none */
};

enum control_progress {
	CONTROL_MORE,
	CONTROL_COMPLETE,        /* call, and the body in bytes[head .. head+body) */
	CONTROL_REFUSED          /* *ret is what to answer */
};

void control_request_init(struct control_request *r);
/* Looks at bytes[0..n), the same as before plus more. */
enum control_progress control_request_feed(struct control_request *r, const char *bytes, size_t n,
                                           struct control_refusal *ret);

struct control_answer {
	char *bytes;             /* malloced; NULL = none */
	size_t n;
	bool hold;               /* the connection stays open until the daemon ends, so that its end can be seen */
};

/* Makes the whole answer; takes body over (NULL, or too large: an answer 500).  0 or -ENOMEM (nothing made). */
MUST_CHECK int control_answer_make(struct control_answer *a, unsigned status, const char *allow, json_t *body);
/* The head of an answer of lines, whose end is the end of the connection. */
MUST_CHECK int control_answer_begin_lines(struct control_answer *a);
/* One line of such an answer, alone; takes line over (NULL: -ENOMEM). */
MUST_CHECK int control_answer_line(struct control_answer *a, json_t *line);
/* The answer {"error": text}. */
MUST_CHECK int control_answer_error(struct control_answer *a, unsigned status, const char *allow, const char *text);
void control_answer_done(struct control_answer *a);

#endif
