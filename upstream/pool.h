/* The connections of one process to one proxy: which are idle, who waits for one, and how many there may be.
 * A connection belongs to its key for life: the connectivity proxy binds it to the first virtual host and
 * location id it carries, and answers another one with an error or, worse, with the first one's content. */
#ifndef POOL_H
#define POOL_H

#include "breaker.h"
#include "classify.h"
#include "conf.h"
#include "loop.h"
#include "stats.h"

struct conn;
struct proxy_token;
struct tls_context;
struct tls_ticket;
struct upstream;
struct waiter;

/* Who may share a connection.  Compared by address: upstream_key gives one object for equal keys.  To it comes the
 * identity towards the proxy, the serial of the token that the connection was used with: a proxy may bind it to that one,
 * too.  The client's Authorization is none of it. */
struct pool_key {
	struct pool *pool;
	const char *authority;   /* virtual host:port */
	const char *location_id; /* "" = none */
	const struct url_hostport *target; /* the same as authority: where a tunnel leads to, or where to connect to without a proxy */
	int name_index;          /* without a proxy: target's, in conf->names; -1 = a literal */
	const struct tls_context *tls; /* NULL = not ours to speak */
	const char *tls_name;    /* what the server must prove to be */
	struct tls_ticket *ticket; /* of its last session */
	/* What came of exchanges with it, CLOCK_MONOTONIC, 0 = never: see path_shares. */
	uint64_t good_ms, denied_ms;
};

struct pool {
	struct upstream *upstream;
	const struct conf_proxy *proxy;
	struct stats_upstream *stats;
	struct proxy_token *token; /* owned; NULL = the proxy wants none */
	struct breaker breaker;
	struct {
		enum error_id id;
		char detail[CLASSIFY_DETAIL];
	} broken;                 /* why no connection could be opened last */
	uint64_t shared_ms;       /* when a fresh connection was last seen to be bound to something else; 0 = never */
	struct list idle;         /* struct conn, last used first */
	struct list urgent, bulk; /* struct waiter, in order of arrival */
	unsigned open;            /* connections, idle and dialling ones included: the gauge */
	struct deferred kick;     /* serves the queue outside of whatever made room */
	struct timer recheck;     /* other processes close connections without telling */
};

/* c is the waiter's now: from the pool, or not dialled yet; NULL: no memory. */
typedef void waiter_fn(struct waiter *w, struct conn *c);

/* A place in the queue, embedded in who waits. */
struct waiter {
	struct list node; /* self-linked = not queued */
	const struct pool_key *key;
	uint32_t identity; /* serial of the token that will be shown; 0 = none */
	waiter_fn *granted;
	bool urgent;  /* ahead of those that are not */
	bool fresh;   /* none from the pool: the last one was stale or bound to something else */
	bool insists; /* has waited long enough: only the hard limit holds for it */
};

#define POOL_HARD_FACTOR 4   /* hard limit = max_connections x this */
#define POOL_RECHECK_MS  100

/* Takes token over. */
void pool_init(struct pool *p, struct upstream *u, const struct conf_proxy *proxy,
               struct stats_upstream *stats, struct proxy_token *token);
/* Closes the idle ones; nobody may wait.  Frees the token. */
void pool_done(struct pool *p);

/* 0: *ret is w's, from the pool or not dialled yet.  -EAGAIN: w is queued; its granted is called later, from
 * the loop, with a connection or, when memory is short, NULL.  -ENOMEM: not queued. */
MUST_CHECK int pool_take(struct pool *p, struct waiter *w, struct conn **ret);
/* Out of the queue; nothing when it is not in. */
void pool_leave(struct pool *p, struct waiter *w);
/* From now on only the hard limit holds for w. */
void pool_insist(struct pool *p, struct waiter *w);

/* c has answered to its last byte and may carry another exchange.  It is the pool's now. */
void pool_give(struct pool *p, struct conn *c);
/* An idle connection became ready: whatever came, it was not asked for.  Closes it. */
void pool_on_idle(struct pool *p, struct conn *c);
/* A connection of p was opened or closed: the count. */
void pool_opened(struct pool *p);
void pool_closed(struct pool *p);
/* Closes what is idle. */
void pool_close_idle(struct pool *p);
/* Closes what is idle and was used with another identity. */
void pool_close_strangers(struct pool *p, uint32_t identity);

#endif
