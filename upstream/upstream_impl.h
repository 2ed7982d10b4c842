/* The inside of struct upstream, for this folder only: what pools, connections and fetches of a process
 * share. */
#ifndef UPSTREAM_IMPL_H
#define UPSTREAM_IMPL_H

#include "buf.h"
#include "pipe.h"
#include "pool.h"
#include "upstream.h"

#define UPSTREAM_BUF_SIZE  (64 * 1024) /* of a busy connection; also the longest response head */
#define UPSTREAM_BUFS_KEPT 16

/* What waits for the end of the turn to be freed: the loop may still hold an event for it. */
struct grave {
	struct list node; /* self-linked = not dead yet */
	void (*bury)(struct grave *g); /* frees the memory around g */
};

struct login;

struct upstream {
	struct loop *loop;
	const struct heritage *heritage;
	struct bufpool bufs;
	struct pipes pipes;
	char *copied;       /* owned, COPY_BYTES; NULL = not needed yet (copy.h) */
	struct pool pool[CONF_PROXIES + CONF_REGISTRIES]; /* by position in conf->proxy */
	unsigned pools;
	struct pool_key *key; /* by position in conf->registry, then two by conf_host.place: without TLS, with it */
	struct tls_ticket *ticket; /* one for each key */
	unsigned keys;
	struct login *login[CONF_REGISTRIES]; /* by position in conf->registry; NULL = none of our own */
	struct list news;   /* struct fetch: wait for a name or a token */
	struct list dead;   /* struct grave */
	struct deferred burial;
	uint64_t keeper_asked_ms; /* 0 = never */
	uint64_t random;
	unsigned fetches; /* alive */
	bool draining;
};

/* The key of a registry of the configuration, or of one of its other hosts (at; NULL = the registry itself), which a URL with
 * that scheme names; those that mean the same share one. */
const struct pool_key *upstream_key(const struct upstream *u, const struct conf_registry *r, const struct conf_host *at, bool https);

/* The relay's own credentials for that registry; NULL: there are none. */
struct login *upstream_login(const struct upstream *u, const struct conf_registry *r);

/* g's owner is freed at the end of the turn, or with u. */
void upstream_bury(struct upstream *u, struct grave *g, void (*bury)(struct grave *g));

/* Below n, evenly; for jitter only.  n > 0. */
uint64_t upstream_random(struct upstream *u, uint64_t n);

/* Writes the keeper's eventfd, at most once a second: a name is wanted that has no address. */
void upstream_ask_keeper(struct upstream *u);

#endif
