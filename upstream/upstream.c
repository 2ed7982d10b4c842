/* All connections of one process towards proxies and registries: what they share, made once.  Worker,
 * keeper. */
#include "upstream_impl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "fetch_impl.h"
#include "http_wire.h"
#include "login.h"
#include "proxy_token.h"
#include "tls_transport.h"

#define KEEPER_ASK_MS 1000

static struct pool *pool_of(struct upstream *u, const struct conf_proxy *proxy)
{
	for (unsigned i = 0; i < u->pools; i++)
		if (u->pool[i].proxy == proxy)
			return &u->pool[i];
	return NULL;
}

static bool key_eq(const struct pool_key *a, const struct pool_key *b)
{
	return a->pool == b->pool && strcmp(a->authority, b->authority) == 0
	       && strcmp(a->location_id, b->location_id) == 0 && a->tls == b->tls
	       && (!a->tls || strcmp(a->tls_name, b->tls_name) == 0);
}

static unsigned position(const struct conf *conf, const struct conf_registry *r)
{
	unsigned i = 0;

	while (i < conf->registries && conf->registry[i] != r)
		i++;
	assert(i < conf->registries);
	return i;
}

struct login *upstream_login(const struct upstream *u, const struct conf_registry *r)
{
	return u->login[position(u->heritage->conf, r)];
}

static unsigned place_of(const struct conf *conf, const struct conf_host *at, bool https)
{
	return conf->registries + 2 * at->place + https;
}

const struct pool_key *upstream_key(const struct upstream *u, const struct conf_registry *r, const struct conf_host *at, bool https)
{
	const struct conf *conf = u->heritage->conf;
	const unsigned own = at ? place_of(conf, at, https) : position(conf, r);
	unsigned same = 0;

	assert(own < u->keys);
	while (!key_eq(&u->key[same], &u->key[own]))
		same++;
	return &u->key[same];
}

static void key_set(struct upstream *u, unsigned i, const struct conf_registry *r, struct pool_key key)
{
	key.pool = pool_of(u, r->proxy);
	key.location_id = r->location_id;
	key.ticket = &u->ticket[i];
	u->key[i] = key;
	assert(key.pool);
}

static void key_of_registry(struct upstream *u, unsigned i, const struct conf_registry *r)
{
	const bool tls = r->scheme == CONF_SCHEME_HTTPS && conf_speaks_tls(r);

	key_set(u, i, r, (struct pool_key){ .authority = r->authority, .target = &r->host, .name_index = r->proxy->name_index,
	                                    .tls = tls ? r->tls : NULL, .tls_name = r->tls_host.host });
}

/* What a URL's host must prove is its own name, wherever the connection leads. */
static void keys_of_hosts(struct upstream *u, const struct conf_registry *r, const struct conf_hosts *h)
{
	const bool ours = conf_speaks_tls(r);

	for (unsigned i = 0; i < h->count; i++)
		for (unsigned https = 0; https < 2; https++) {
			const struct conf_host *at = &h->item[i];
			key_set(u, place_of(u->heritage->conf, at, https), r,
			        (struct pool_key){ .authority = at->authority, .target = &at->behind, .name_index = at->name_index,
			                           .tls = https && ours ? r->tls : NULL, .tls_name = at->at.host });
		}
}

/* Token servers and where redirects lead to are behind the registry's own proxy and location id. */
static int init_keys(struct upstream *u, struct err *reterr)
{
	const struct conf *conf = u->heritage->conf;

	u->keys = conf->registries + 2 * conf->places;
	u->key = calloc(u->keys ? u->keys : 1, sizeof(u->key[0]));
	u->ticket = calloc(u->keys ? u->keys : 1, sizeof(u->ticket[0]));
	if (!u->key || !u->ticket)
		return err_sys(reterr, -ENOMEM, "cannot set up connections to the proxies");
	for (unsigned i = 0; i < conf->registries; i++) {
		const struct conf_registry *r = conf->registry[i];
		key_of_registry(u, i, r);
		keys_of_hosts(u, r, &r->token_at);
		keys_of_hosts(u, r, &r->redirect_at);
		keys_of_hosts(u, r, &r->pass_at);
	}
	return 0;
}

static int init_pools(struct upstream *u, struct err *reterr)
{
	const struct conf *conf = u->heritage->conf;

	for (unsigned i = 0; i < conf->proxies; i++) {
		const struct conf_proxy *proxy = conf->proxy[i];
		if (proxy->index >= STATS_UPSTREAMS)
			return err_set(reterr, -ERANGE, "no room for statistics of proxy %s", proxy->name);
		struct proxy_token *token = proxy_token_new(u->heritage, i, reterr);
		if (!token && reterr->code)
			return reterr->code;
		pool_init(&u->pool[u->pools++], u, proxy, &u->heritage->stats->upstream[proxy->index], token);
	}
	return 0;
}

static int init_logins(struct upstream *u, struct err *reterr)
{
	const struct conf *conf = u->heritage->conf;

	for (unsigned i = 0; i < conf->registries; i++) {
		if (!conf->registry[i]->login)
			continue;
		u->login[i] = login_new(u, conf->registry[i], reterr);
		if (!u->login[i])
			return reterr->code;
	}
	return 0;
}

static void free_parts(struct upstream *u)
{
	for (unsigned i = 0; i < CONF_REGISTRIES; i++)
		login_free(TAKE(u->login[i]));
	for (unsigned i = 0; i < u->pools; i++)
		pool_done(&u->pool[i]);
	for (unsigned i = 0; u->ticket && i < u->keys; i++)
		tls_ticket_free(&u->ticket[i]);
	free(u->ticket);
	free(u->key);
}

struct upstream *upstream_new(struct loop *l, const struct heritage *h, struct err *reterr)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (!u) {
		(void)err_sys(reterr, -ENOMEM, "cannot set up connections to the proxies");
		return NULL;
	}
	u->loop = l;
	u->heritage = h;
	bufpool_init(&u->bufs, UPSTREAM_BUF_SIZE, UPSTREAM_BUFS_KEPT);
	pipes_init(&u->pipes, PIPES_MAX);
	list_init(&u->news);
	list_init(&u->dead);
	deferred_init(&u->burial);
	if (getrandom(&u->random, sizeof(u->random), GRND_NONBLOCK) < 0)
		u->random = clock_us(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 32;
	wire_setup(UPSTREAM_BUF_SIZE);
	if (init_pools(u, reterr) < 0 || init_keys(u, reterr) < 0 || init_logins(u, reterr) < 0) {
		free_parts(u);
		free(u);
		return NULL;
	}
	return u;
}

static void bury_all(struct upstream *u)
{
	while (!list_empty(&u->dead)) {
		struct grave *g = list_entry(u->dead.next, struct grave, node);
		list_del(&g->node);
		g->bury(g);
	}
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	free_parts(u);
	assert(u->fetches == 0);
	loop_defer_cancel(&u->burial);
	bury_all(u);
	bufpool_done(&u->bufs);
	pipes_done(&u->pipes);
	free(u->copied);
	free(u);
}

static void on_burial(struct deferred *d)
{
	bury_all(container_of(d, struct upstream, burial));
}

void upstream_bury(struct upstream *u, struct grave *g, void (*bury)(struct grave *g))
{
	assert(list_empty(&g->node));
	g->bury = bury;
	list_append(&u->dead, &g->node);
	loop_defer(u->loop, &u->burial, on_burial);
}

uint64_t upstream_random(struct upstream *u, uint64_t n)
{
	/* xorshift64; 0 is its only fixed point */
	uint64_t x = u->random ? u->random : 1;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	u->random = x;
	return x % n;
}

void upstream_ask_keeper(struct upstream *u)
{
	const uint64_t now = loop_now(u->loop);

	if (u->keeper_asked_ms && now - u->keeper_asked_ms < KEEPER_ASK_MS)
		return;
	u->keeper_asked_ms = now;
	heritage_wake(u->heritage);
}

static void look_at_tokens(struct upstream *u)
{
	for (unsigned i = 0; i < u->pools; i++) {
		struct proxy_token *t = u->pool[i].token;
		if (t && proxy_token_look(t, loop_now(u->loop)) == PROXY_TOKEN_READY)
			pool_close_strangers(&u->pool[i], t->copy.serial);
	}
}

void upstream_news(struct upstream *u)
{
	/* One that looks again may end up waiting again: only those who wait now are looked at. */
	struct list waiting;

	look_at_tokens(u);
	list_init(&waiting);
	while (!list_empty(&u->news)) {
		struct list *n = u->news.next;
		list_del(n);
		list_append(&waiting, n);
	}
	while (!list_empty(&waiting)) {
		struct fetch *f = list_entry(waiting.next, struct fetch, waiting);
		list_del(&f->waiting);
		if (f->state == FETCH_TOKEN)
			fetch_queue(f);
		else
			fetch_lookup(f);
	}
}

void upstream_examine(struct upstream *u)
{
	u->bufs.wipes = true;
	u->draining = true;
	for (unsigned i = 0; i < u->pools; i++)
		breaker_init(&u->pool[i].breaker, 0);
}

void upstream_limit_pipes(struct upstream *u, unsigned max)
{
	pipes_init(&u->pipes, max);
}

void upstream_drain(struct upstream *u)
{
	u->draining = true;
	for (unsigned i = 0; i < u->pools; i++)
		pool_close_idle(&u->pool[i]);
}
