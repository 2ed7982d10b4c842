/* The answer to a POST as it comes in: bytes to status and whole body.  Keeper.
 *
 * Knows no socket: post.c reads, this judges.  What is longer than the bounds below, or no HTTP, is refused. */
#ifndef POST_ANSWER_H
#define POST_ANSWER_H

#include "buf.h"
#include "http_chunk.h"
#include "http_wire.h"

#define POST_BODY_MAX (64 * 1024)
#define POST_HEAD_MAX (16 * 1024)
#define POST_INTERIM_MAX 8 /* 1xx heads before the final one */

struct post_answer {
	struct http_head head;   /* valid once in_body, but for its views */
	bool in_body;            /* the head is there, interim ones (1xx) not counted */
	unsigned interim;        /* of those */
	const char *what, *why;  /* after a failure: words for a line, static; why may be "" */

	struct wire wire;
	struct chunk chunk;
};

/* For a new one. */
void post_answer_init(struct post_answer *a);
/* Takes from in what it can: heads are dropped, the body goes to text, which must have room for POST_BODY_MAX.  1 = the answer is
 * whole; 0 = more must come, or the end (post_answer_ends); -EBADMSG: it is refused, what and why say it. */
int post_answer_take(struct post_answer *a, struct buf *in, struct buf *text);
/* The connection has ended in good order: is that the end of the answer (RFC 9112, 6.3: a body without a length)? */
bool post_answer_ends(const struct post_answer *a);

#endif
