/* The client's side of an answer: what leaves goes through `out` (head, framing, small pieces) or straight
 * from the source's buffer to the socket, in order and in one write where possible.  Worker. */
#ifndef CLIENT_BODY_H
#define CLIENT_BODY_H

#include "buf.h"
#include "source.h"
#include "transport.h"

/* Invariant: what `out` holds goes before any piece given to put.  chunk_left > 0: a chunk is announced of
 * which so many data bytes have not been taken yet. */
struct client_body {
	struct sink sink;
	struct transport *client; /* borrowed */
	struct buf *out;          /* borrowed; has memory while an answer is under way */
	bool chunked;
	uint64_t chunk_left;
	uint64_t written; /* bytes the socket took, of all answers */
};

#define CLIENT_BODY_ROOM 64 /* bytes of `out` the framing may need beside the head */

void client_body_init(struct client_body *b, struct transport *client, struct buf *out);
/* A new answer begins; its head may be in `out` already. */
void client_body_begin(struct client_body *b, bool chunked);
/* The source gave its last byte: appends what ends the body, for which put keeps room.  False: bytes of a chunk that is
 * announced are missing.  A source that lost what it had offered, and found the whole to be shorter when it asked again, ends
 * so; the answer cannot be ended any more. */
MUST_CHECK bool client_body_end(struct client_body *b);
/* Writes what `out` holds.  0 = all of it; -EAGAIN = the client must take some first; -errno. */
MUST_CHECK int client_body_flush(struct client_body *b);

#endif
