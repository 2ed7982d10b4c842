/* One connection to a proxy (or a registry without one): transport, what was read, and whose it is. */
#ifndef CONN_H
#define CONN_H

#include "buf.h"
#include "pipe.h"
#include "transport.h"
#include "upstream_impl.h"

struct conn;
typedef void conn_fn(struct conn *c); /* the transport became ready */

struct conn {
	struct transport transport; /* fd -1 = not dialled */
	const struct pool_key *key;
	uint32_t identity; /* serial of the token it was used with; 0 = none */
	struct buf in;     /* read and not consumed; memory only while an exchange runs */
	struct pipe pipe;  /* the same, of a body that is spliced: what is here comes before anything unread, and then `in` is
	                    * empty; a pipe only while it holds bytes */
	conn_fn *fn;       /* of the owner; NULL = idle in the pool */
	void *owner;       /* fn's: a fetch */
	struct list node;  /* in pool.idle */
	struct timer idle; /* closes it when nobody used it for idle_timeout */
	unsigned answers;  /* exchanges completed on it */
	struct grave grave;
};

/* A connection that counts as open from now on, not dialled.  NULL: no memory. */
struct conn *conn_new(const struct pool_key *key);
/* Closes it (with RST when reset) and frees it at the end of the turn.  NULL is nothing. */
void conn_close(struct conn *c, bool reset);

/* Connects a socket to sa and takes it into the loop.  0: connecting (fn is called), -errno: nothing is
 * open. */
MUST_CHECK int conn_connect(struct conn *c, const struct sockaddr *sa, socklen_t len);
/* Gives up the socket of a connect that failed; c can connect again. */
void conn_disconnect(struct conn *c);
/* 0: connected; -EINPROGRESS; -errno. */
MUST_CHECK int conn_connected(struct conn *c);

/* Reads into c->in, whose memory is borrowed when it has none.  > 0 bytes; 0 = the peer's end; -EAGAIN;
 * -ENOBUFS = no room; -ENOMEM; -errno. */
MUST_CHECK ssize_t conn_fill(struct conn *c);
/* Writes what it can and counts it: as transport_write. */
MUST_CHECK ssize_t conn_write(struct conn *c, struct strview bytes);
/* Nothing unread, nothing unexpected, not closing: fit for another exchange. */
bool conn_is_clean(struct conn *c);

#endif
