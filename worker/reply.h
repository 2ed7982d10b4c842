/* The relay's own error answers.  What fails is told four times, because every client shows another place:
 * reason phrase, OCI JSON, Warning, and a stable id for scripts.  Worker. */
#ifndef REPLY_H
#define REPLY_H

#include "buf.h"
#include "errors.h"

struct reply {
	enum error_id id;
	struct strview text;       /* rendered: printable ASCII (error_render) */
	struct strview request_id; /* checked (request_id.h); empty = left out */
	uint64_t wall_ms;          /* for Date */
	bool head;                 /* it answers a HEAD: the same head, no body */
	bool close;                /* the connection ends after it */
	bool as_ok;                /* 200 all the same, for a ping whose client shows no error (request.h deaf_ping) */
};

#define REPLY_MAX 4096 /* bytes any reply needs at most */

/* Appends the whole answer; *ret_body is how many bytes of it are its body.  False (and nothing appended) when it does not
 * fit. */
MUST_CHECK bool reply_put(struct buf *b, const struct reply *r, size_t *ret_body);

/* Its status. */
unsigned reply_status(const struct reply *r);

#endif
