/* Strict decoder of chunked bodies (RFC 9112 7.1): hex size of 1-16 digits that an int64_t holds, extensions right
 * behind it (no space before the ';'), bounded and dropped, CRLF exact, trailers bounded and dropped; Content-Length,
 * Transfer-Encoding or Host among them is an attack.  Resumable at every byte.  What leaves us is framed anew.
 * Any process that speaks HTTP. */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "strview.h"

#define CHUNK_EXT_MAX       256 /* bytes of extension per chunk */
#define CHUNK_EXT_TOTAL_MAX (64 * 1024)
#define CHUNK_TRAILER_MAX   (8 * 1024)

struct chunk {
	unsigned state;
	uint64_t left;        /* data bytes of the current chunk still to come */
	unsigned digits;
	unsigned ext;         /* of this chunk, from the ';' to the CR */
	uint64_t ext_total;
	unsigned trailer;     /* bytes of all trailer lines with their CRLF */
	char name[24];        /* of the trailer field being read, cut off: to know the forbidden ones */
	unsigned name_n;
	const char *why;      /* static text after -EBADMSG */
};

void chunk_init(struct chunk *c);

/* Reads from bytes[0..n): *ret_used bytes are done with; *ret_data is the piece of body among them (may be empty;
 * points into bytes and is the last thing before *ret_used, except after the end).  Call until all is used.
 * 1 = the body has ended (what follows *ret_used belongs to the next message); 0 = go on; -EBADMSG = malformed, and c
 * must be initialised anew. */
MUST_CHECK int chunk_feed(struct chunk *c, const char *bytes, size_t n, size_t *ret_used, struct strview *ret_data);

/* True when the end (last chunk, trailers, final CRLF) has been seen. */
bool chunk_ended(const struct chunk *c);

#endif
