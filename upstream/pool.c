/* The connections of one process to one proxy: idle ones, the queue, the limits.  Worker and keeper. */
#include "pool.h"

#include <errno.h>

#include "conn.h"
#include "proxy_token.h"

/* Slots are given out from the lowest; so many in a row that never beat mean that no further one was ever
 * used.  Looking at them all would also make the kernel give memory to pages nobody wrote. */
#define UNUSED_SLOTS_END 8

void pool_init(struct pool *p, struct upstream *u, const struct conf_proxy *proxy,
               struct stats_upstream *stats, struct proxy_token *token)
{
	*p = (struct pool){ .upstream = u, .proxy = proxy, .stats = stats, .token = token };
	breaker_init(&p->breaker, proxy->breaker_failures);
	list_init(&p->idle);
	list_init(&p->urgent);
	list_init(&p->bulk);
	deferred_init(&p->kick);
}

void pool_done(struct pool *p)
{
	pool_close_idle(p);
	loop_defer_cancel(&p->kick);
	loop_timer_stop(&p->recheck);
	proxy_token_free(TAKE(p->token));
}

/* --- limits -------------------------------------------------------------------------------------------- */

/* Connections of the other processes, as their gauges claim. */
static uint64_t open_elsewhere(const struct pool *p)
{
	const struct heritage *h = p->upstream->heritage;
	uint64_t sum = 0;
	unsigned unused = 0;

	for (unsigned i = 0; i < SHM_SLOTS && unused < UNUSED_SLOTS_END; i++) {
		const struct stats_slot *s = &h->shm->slot[i];
		if (i == h->slot)
			continue;
		unused = stats_get(&s->beat_ms) == 0 ? unused + 1 : 0;
		if (unused == 0)
			sum += stats_get(&s->upstream[p->proxy->index].connections);
	}
	return sum;
}

/* One connection is every process' right: otherwise the others' idle ones could starve it. */
static bool may_open(const struct pool *p, bool insists)
{
	uint64_t limit = (uint64_t)p->proxy->max_connections * (insists ? POOL_HARD_FACTOR : 1);

	if (p->open == 0)
		return true;
	return p->open < limit && p->open + open_elsewhere(p) < limit;
}

void pool_opened(struct pool *p)
{
	p->open++;
	stats_add(&p->stats->connections, 1);
}

static void on_kick(struct deferred *d);

static void kick(struct pool *p)
{
	loop_defer(p->upstream->loop, &p->kick, on_kick);
}

static bool has_waiters(const struct pool *p)
{
	return !list_empty(&p->urgent) || !list_empty(&p->bulk);
}

void pool_closed(struct pool *p)
{
	p->open--;
	stats_sub(&p->stats->connections, 1);
	if (has_waiters(p))
		kick(p);
}

/* --- idle connections ---------------------------------------------------------------------------------- */

static void idle_remove(struct pool *p, struct conn *c)
{
	list_del(&c->node);
	loop_timer_stop(&c->idle);
	stats_sub(&p->stats->idle, 1);
}

static void idle_close(struct pool *p, struct conn *c)
{
	idle_remove(p, c);
	conn_close(c, false);
}

static void on_idle_timeout(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, idle);

	idle_close(c->key->pool, c);
}

/* The one used last: it is the likeliest to be alive, and the others may time out. */
static struct conn *idle_take(struct pool *p, const struct pool_key *key, uint32_t identity)
{
	list_for_each_safe(it, &p->idle) {
		struct conn *c = list_entry(it, struct conn, node);
		if (c->key != key || c->identity != identity)
			continue;
		idle_remove(p, c);
		stats_add(&p->stats->reused, 1);
		return c;
	}
	return NULL;
}

/* Room by closing the one unused for longest. */
static bool idle_evict(struct pool *p)
{
	if (list_empty(&p->idle))
		return false;
	idle_close(p, list_entry(p->idle.prev, struct conn, node));
	return true;
}

void pool_give(struct pool *p, struct conn *c)
{
	bool waiters = has_waiters(p);

	const bool stranger = p->token && c->identity != p->token->copy.serial;

	if (!conn_is_clean(c) || stranger || (p->upstream->draining && !waiters)) {
		conn_close(c, false);
		return;
	}
	c->fn = NULL;
	c->owner = NULL;
	c->answers++;
	buf_return(&c->in, &p->upstream->bufs);
	list_prepend(&p->idle, &c->node);
	stats_add(&p->stats->idle, 1);
	loop_timer_in(p->upstream->loop, &c->idle, p->proxy->idle_timeout, on_idle_timeout);
	if (waiters)
		kick(p);
}

void pool_on_idle(struct pool *p, struct conn *c)
{
	/* The edge of a socket that only became writable is nothing. */
	if (!conn_is_clean(c))
		idle_close(p, c);
}

void pool_close_idle(struct pool *p)
{
	while (idle_evict(p))
		;
}

void pool_close_strangers(struct pool *p, uint32_t identity)
{
	list_for_each_safe(it, &p->idle) {
		struct conn *c = list_entry(it, struct conn, node);
		if (c->identity != identity)
			idle_close(p, c);
	}
}

/* --- the queue ----------------------------------------------------------------------------------------- */

/* 0, -EAGAIN: no room, -ENOMEM. */
static int take_now(struct pool *p, const struct waiter *w, struct conn **ret)
{
	struct conn *c = w->fresh ? NULL : idle_take(p, w->key, w->identity);

	if (!c) {
		if (!may_open(p, w->insists) && !idle_evict(p))
			return -EAGAIN;
		c = conn_new(w->key);
		if (!c)
			return -ENOMEM;
	}
	*ret = c;
	return 0;
}

static void unqueue(struct pool *p, struct waiter *w)
{
	list_del(&w->node);
	stats_sub(&p->stats->waiting, 1);
	if (!has_waiters(p))
		loop_timer_stop(&p->recheck);
}

/* Serves w when it can be.  False: no room. */
static bool serve(struct pool *p, struct waiter *w)
{
	struct conn *c = NULL;

	if (take_now(p, w, &c) == -EAGAIN)
		return false;
	unqueue(p, w);
	w->granted(w, c);
	return true;
}

/* In order, urgent ones first.  Strict: one that wants another key than the idle connections have is not
 * passed by those who could use them; an idle one is closed for it. */
static void serve_in_order(struct pool *p)
{
	while (has_waiters(p)) {
		struct list *first = list_empty(&p->urgent) ? p->bulk.next : p->urgent.next;
		if (!serve(p, list_entry(first, struct waiter, node)))
			return;
	}
}

/* The first who has waited long enough goes ahead of everybody, up to the hard limit.  False: there is none,
 * or no room even so.  One at a time: granted may take others out of the queue. */
static bool serve_insisting(struct pool *p, struct list *queue)
{
	list_for_each(it, queue) {
		struct waiter *w = list_entry(it, struct waiter, node);
		if (w->insists)
			return serve(p, w);
	}
	return false;
}

static void on_recheck(struct timer *t)
{
	kick(container_of(t, struct pool, recheck));
}

static void on_kick(struct deferred *d)
{
	struct pool *p = container_of(d, struct pool, kick);

	while (serve_insisting(p, &p->urgent) || serve_insisting(p, &p->bulk))
		;
	serve_in_order(p);
	if (has_waiters(p))
		loop_timer_in(p->upstream->loop, &p->recheck, POOL_RECHECK_MS, on_recheck);
	else if (p->upstream->draining)
		pool_close_idle(p);
}

int pool_take(struct pool *p, struct waiter *w, struct conn **ret)
{
	/* Not past those who wait already; an urgent one passes only those who are not.  Who comes back
	 * because a connection failed under it has had its turn of waiting. */
	bool behind = !w->fresh && (!list_empty(&p->urgent) || (!w->urgent && !list_empty(&p->bulk)));
	int r = behind ? -EAGAIN : take_now(p, w, ret);

	if (r != -EAGAIN)
		return r;
	struct list *queue = w->urgent ? &p->urgent : &p->bulk;
	if (w->fresh)
		list_prepend(queue, &w->node);
	else
		list_append(queue, &w->node);
	stats_add(&p->stats->waiting, 1);
	if (!p->recheck.loop)
		loop_timer_in(p->upstream->loop, &p->recheck, POOL_RECHECK_MS, on_recheck);
	return -EAGAIN;
}

void pool_leave(struct pool *p, struct waiter *w)
{
	if (!list_empty(&w->node))
		unqueue(p, w);
}

void pool_insist(struct pool *p, struct waiter *w)
{
	w->insists = true;
	kick(p);
}
