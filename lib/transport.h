/* A connected stream socket in an event loop: edge-triggered, registered once, readiness remembered.  Plain here; TLS
 * (tls_transport.h) puts a second table of the same verbs over one that is open. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "loop.h"

struct transport;

struct transport_ops {
	ssize_t (*read)(struct transport *t, void *bytes, size_t n);
	ssize_t (*writev)(struct transport *t, const struct iovec *part, int parts);
	ssize_t (*to_pipe)(struct transport *t, int pipe, size_t n);   /* NULL, as the next: the bytes must pass through us */
	ssize_t (*from_pipe)(struct transport *t, int pipe, size_t n);
	size_t (*room)(const struct transport *t);
	int (*shut)(struct transport *t);
	void (*close)(struct transport *t, bool reset);
};

typedef void transport_fn(struct transport *t); /* something became ready; read the flags */

struct transport {
	const struct transport_ops *ops;
	struct watch watch;
	int fd;              /* owned; -1 = closed */
	transport_fn *fn;
	bool readable;       /* a read may give something (also EOF or an error) */
	bool writable;
	bool peer_closed;    /* the peer has sent its FIN (EPOLLRDHUP); bytes may still wait before it */
	bool failed;         /* EPOLLERR/EPOLLHUP: the next read or write gives the error */
	void *layer;         /* of a kind that has more than a socket (struct tls_layer); NULL = plain */
	bool crossed;        /* TLS, but where the kernel encrypts: a read may wait for room and a write for bytes, so any event is both */
};

/* Takes fd (connected or connecting, NONBLOCK) into the loop.  0: fd belongs to t.  -errno: it is still the
 * caller's. */
MUST_CHECK int transport_open_plain(struct transport *t, struct loop *l, int fd, transport_fn *fn);

/* > 0 bytes; 0 = the peer's end; -EAGAIN = nothing now; -errno.  readable becomes false when nothing is left: at -EAGAIN, and
 * where fewer bytes than asked for say so. */
MUST_CHECK ssize_t transport_read(struct transport *t, void *bytes, size_t n);
/* The first byte that waits in a plain socket, which stays there: 0..255; -EAGAIN (readable becomes false); -ECONNRESET = the
 * peer has ended; -errno. */
MUST_CHECK int transport_peek(struct transport *t);
/* What the socket of one that failed died of: -errno; 0 = it does not say, or has said it. */
int transport_error(const struct transport *t);
/* >= 0 bytes taken, maybe fewer than given; -EAGAIN (writable becomes false); -errno. */
MUST_CHECK ssize_t transport_write(struct transport *t, const void *bytes, size_t n);
MUST_CHECK ssize_t transport_writev(struct transport *t, const struct iovec *part, int parts);
/* How much may be offered to a write with good hope that it takes it: what waits in the socket can be seen, what the kernel will
 * take cannot.  0 = little, or unknown. */
size_t transport_room(const struct transport *t);
/* May bytes be spliced (splice(2)) from it, and to it? */
static inline bool transport_splices_from(const struct transport *t)
{
	return t->ops->to_pipe != NULL;
}
static inline bool transport_splices_to(const struct transport *t)
{
	return t->ops->from_pipe != NULL;
}
/* For a kind whose socket takes plain bytes: those of the plain one. */
MUST_CHECK ssize_t transport_plain_writev(struct transport *t, const struct iovec *part, int parts);
MUST_CHECK ssize_t transport_plain_from_pipe(struct transport *t, int pipe, size_t n);
size_t transport_plain_room(const struct transport *t);
/* Does little of what was written to the socket still wait for the peer to make room for it?  False: unknown. */
bool transport_is_drained(int fd);

/* As read, into the write end of an empty pipe: a full one could not be told from an empty socket.  Fewer bytes than n do not
 * mean that the socket is empty: a pipe counts pieces, not bytes. */
MUST_CHECK ssize_t transport_to_pipe(struct transport *t, int pipe, size_t n);
/* As write, from the read end of a pipe that holds at least n bytes.  Nothing says that more will follow, so that nothing is
 * held back for it. */
MUST_CHECK ssize_t transport_from_pipe(struct transport *t, int pipe, size_t n);
/* Says that nothing more will be written; reading goes on.  0 or -errno. */
MUST_CHECK int transport_shut(struct transport *t);
/* Leaves the loop and closes.  May be called twice.  The memory of t is freed only through loop_defer. */
void transport_close(struct transport *t);
/* The same with RST instead of FIN: the peer must not take what it has for complete. */
void transport_reset(struct transport *t);

#endif
