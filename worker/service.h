/* What all sessions of a worker share.  Worker; one thread, so nothing here is locked. */
#ifndef SERVICE_H
#define SERVICE_H

#include "buf.h"
#include "conf.h"
#include "http_wire.h"
#include "list.h"
#include "loop.h"
#include "pulls.h"
#include "stats.h"
#include "upstream.h"

struct service;
typedef void service_fn(struct service *sv);

struct service {
	struct loop *loop;
	const struct conf *conf;
	struct stats_slot *stats;
	struct upstream *upstream;
	struct gate_limits limits; /* of a request head */
	struct bufpool heads;      /* request heads: limits.head and what tells that it is too long */
	struct bufpool answers;    /* response heads, framing, small pieces */
	struct http_head scratch;  /* the head just parsed: read and done with before the next one */
	struct pulls pulls;        /* rows of the requests under way */
	struct list sessions;
	unsigned count; /* of sessions, lingering ones too */
	uint64_t next_id;
	bool draining;      /* every next answer says Connection: close */
	uint64_t crowded_told_ms; /* when the log last heard of one; 0 = never */
	unsigned cut;       /* exchanges that service_cut ended */
	service_fn *on_end; /* a session has ended; must not open or end others */
};

/* The pools and lists; what is handed in stays borrowed. */
void service_init(struct service *sv, struct loop *l, const struct conf *c, struct stats_slot *stats,
                  struct pulls_table *pulls, struct upstream *u, service_fn *on_end);
/* All sessions must have ended and the loop's deferred work be done. */
void service_done(struct service *sv);

/* True: that address has as many connections as it may ([listen] max_connections_per_address), and must not have another one;
 * counted, and told in the log now and then. */
bool service_is_crowded(struct service *sv, const struct sockaddr *peer, socklen_t len);

/* From now on connections end with their next answer, idle ones after a short silence. */
void service_drain(struct service *sv);
/* Ends every session now: what is under way breaks off with a reset. */
void service_cut(struct service *sv);

/* Called now and then: when a burst of requests is over, the memory that it left to malloc goes back to the system, which malloc
 * alone would keep, for a few bytes of sessions live between.  True: it did. */
bool service_tidy(struct service *sv);

#endif
