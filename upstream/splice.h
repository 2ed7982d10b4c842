/* The body of an answer moved through a pipe, by the kernel alone (splice(2)).  Worker and keeper. */
#ifndef SPLICE_H
#define SPLICE_H

#include "body.h"

/* Shorter ones, and the ends of longer ones, are copied: that costs less than two calls and a pipe. */
#define SPLICE_LEAST (64 * 1024)

/* Is what comes next on c, whose buffer is empty, better spliced into the sink?  Only bytes of a known length are: nothing
 * beyond the body's end must get into the pipe. */
bool splice_pays(const struct body *b, const struct conn *c, const struct sink *to);

/* Reads at most max into c's pipe, which holds nothing, and takes off b what came.  > 0 bytes; 0 = the peer's end; -EAGAIN; -ENOTSUP = no
 * pipe, or a kernel that cannot: read into the buffer instead; -errno. */
MUST_CHECK ssize_t splice_fill(struct body *b, struct conn *c, size_t max);

/* Gives the sink at most max of what c's pipe holds: bytes; -ENOTSUP = a socket or kernel that cannot: splice_take_back; -errno,
 * as the sink says. */
MUST_CHECK ssize_t splice_give(struct conn *c, struct sink *to, size_t max);

/* Moves what the pipe holds, as much as there is room for, into c's buffer, which is empty: bytes or -errno. */
MUST_CHECK ssize_t splice_take_back(struct conn *c);

/* An empty pipe for c, which has none.  0 or -EAGAIN, as pipes_take. */
MUST_CHECK int splice_take_pipe(struct conn *c);

/* The connection's exchange is over: its pipe goes back, or is closed with the bytes that are in it. */
void splice_release(struct conn *c);

#endif
