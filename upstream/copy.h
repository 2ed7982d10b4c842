/* The body of an answer that cannot be spliced (TLS at either end, no pipe), read in large pieces into memory that all transfers of the
 * process share.  Nothing stays in it: no more is read than the sink has room for, and what it does not take after all goes into a
 * pipe, or the connection's buffer.  Worker and keeper. */
#ifndef COPY_H
#define COPY_H

#include "body.h"

#define COPY_LEAST (64 * 1024)  /* less goes by the connection's own buffer */
#define COPY_BYTES (256 * 1024) /* the shared memory: as much as a turn moves */

/* Can what comes next on c, whose buffer is empty, come this way?  Only bytes of a known length can, as with splice.  The sink
 * may yet have too little room. */
bool copy_pays(const struct body *b, const struct sink *to);

/* Reads at most max bytes, and no more than the sink has room for now, and takes them off b; *ret_bytes has them until the next
 * call.  > 0 bytes; 0 = the peer's end; -EAGAIN; -ENOTSUP = not so now: read into the buffer instead; -errno. */
MUST_CHECK ssize_t copy_fill(struct body *b, struct conn *c, const struct sink *to, size_t max, struct strview *ret_bytes);

/* To be called when the sink was given what came, with what it did not take after all: that is in c's pipe then (c->pipe.held) or
 * in its buffer.  0; -errno: it is nowhere, and is lost. */
MUST_CHECK int copy_keep(struct conn *c, struct strview rest);

#endif
