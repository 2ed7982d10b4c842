/* Pipes that bytes are spliced through, from one socket to another without a copy: how many, how large, and whose.  One thread.
 *
 * A pipe with bytes in it belongs to the transfer whose bytes they are, until they are taken out or it is closed; only empty
 * ones are shared.  So a transfer has one only while its bytes wait in it. */
#ifndef PIPE_H
#define PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define PIPE_BYTES  (256 * 1024) /* asked for; a user's pipes have 16384 pages in all (fs.pipe-user-pages-soft, pipe(7)) */
#define PIPES_MAX   64           /* open at one time, of a process: 4096 pages */
#define PIPES_SPARE 16           /* of them kept though nobody has them */

/* Invariant: held > 0 only with a pipe. */
struct pipe {
	int out, in; /* read and write end; -1 = none */
	size_t held; /* bytes in it */
};

#define PIPE_NONE ((struct pipe){ .out = -1, .in = -1, .held = 0 })

struct pipes {
	unsigned open, spares, max;
	bool off;          /* the kernel cannot splice: not tried again */
	uint64_t again_ms; /* one was refused: not tried before */
	struct pipe spare[PIPES_SPARE];
};

/* At most max of them at one time (PIPES_MAX). */
void pipes_init(struct pipes *p, unsigned max);
/* Closes the spare ones; the others must have been given back. */
void pipes_done(struct pipes *p);

/* An empty pipe for ret, which had none.  0; -EAGAIN: none can be had now, for whatever reason (max, descriptors, the
 * user's quota); copy instead. */
MUST_CHECK int pipes_take(struct pipes *p, struct pipe *ret, uint64_t now_ms);
/* Takes it back, if there is one; with bytes in it it is closed, and they are gone. */
void pipes_give(struct pipes *p, struct pipe *pipe);

#endif
