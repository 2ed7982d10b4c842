/* The body of an answer on its way from the connection to the sink: framing, and nothing else. */
#ifndef BODY_H
#define BODY_H

#include "conn.h"
#include "http_chunk.h"
#include "source.h"

struct body {
	enum http_framing framing;
	uint64_t left;         /* HTTP_BODY_LENGTH: still to come */
	struct chunk chunk;
	struct strview piece;  /* decoded, not yet taken by the sink; points into the connection's buffer */
	size_t piece_used;     /* bytes of the buffer done with once the piece is taken */
	bool ended;            /* the last byte has been taken off the connection */
	bool exact;            /* ended by its framing, so that the connection can carry another answer */
	int error;             /* after MOVE_CUT: -errno; 0 = the peer's end; -EBADMSG = malformed */
	const char *why;       /* after MOVE_CUT: static text or NULL */
};

void body_init(struct body *b, enum http_framing framing, uint64_t length);

/* source_move's work: moves up to max bytes from c, whose buffer begins with the body, into the sink. */
enum move_result body_move(struct body *b, struct conn *c, struct sink *to, size_t max, size_t *ret_moved,
                           int *ret_errno);

/* Is all that is still to come of it in the connection's buffer already? */
bool body_is_here(const struct body *b, const struct conn *c);

/* Copies the first body bytes among those read (from `skip` on) into dst without taking any; the number
 * copied.  *ret_whole: that is all of the body.  b is as body_init left it. */
size_t body_peek(const struct body *b, const struct conn *c, size_t skip, char *dst, size_t cap,
                 bool *ret_whole);

#endif
