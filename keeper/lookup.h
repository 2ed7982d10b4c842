/* One lookup of a host's addresses by c-ares, with a deadline.  Keeper.  The only file that knows c-ares is lookup.c.
 *
 * Every lookup has a channel of its own: that is what reads /etc/resolv.conf and /etc/hosts, so changes of either
 * are followed without watching files, and a server that was found dead is tried again. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "loop.h"
#include "shm.h"

#define LOOKUP_SOCKETS     16   /* open at once; c-ares uses one or two per server */
#define LOOKUP_DEADLINE_MS 5000 /* of all of it, search domains included */

struct lookup;
typedef void lookup_fn(struct lookup *l);

/* Where the resolver looks instead of /etc/resolv.conf and port 53; for tests. */
struct lookup_tuning {
	const char *resolv_conf; /* borrowed; NULL = the usual one */
	uint16_t port;           /* 0 = the usual one */
};

struct lookup_socket {
	struct watch watch; /* watch.loop NULL = not in use */
	struct lookup *lookup;
};

struct lookup {
	/* what came of the last one */
	char error[64]; /* "" = good */
	struct names_address address[SHM_ADDRESSES];
	unsigned count;  /* > 0 exactly when error is "" */
	uint64_t ttl_ms; /* the shortest of the answer, at most the ttl_max_ms of lookup_start */

	/* the one that runs */
	struct loop *loop;
	struct lookup_tuning tuning;
	lookup_fn *fn;
	void *channel; /* NULL = none */
	struct timer tick, deadline;
	struct deferred finish; /* queued once the answer is there: c-ares may not be destroyed in its own call */
	bool running, answered;
	struct lookup_socket socket[LOOKUP_SOCKETS];
};

/* Once a process, before the first lookup and after the last.  0 or -EIO with reterr. */
MUST_CHECK int lookup_setup(struct err *reterr);
void lookup_cleanup(void);

void lookup_init(struct lookup *l, struct loop *loop, const struct lookup_tuning *tuning, lookup_fn *fn);
/* Asks for the addresses of name, which need not stay.  fn is called once, never from within; it may start the next one.
 * Not while one runs. */
void lookup_start(struct lookup *l, const char *name, uint64_t ttl_max_ms);
/* Ends it without a call of fn.  Nothing when none runs. */
void lookup_stop(struct lookup *l);

#endif
