/* The names this generation may dial, resolved again and again into shared memory.  Keeper. */
#include "names.h"

#include <arpa/inet.h>
#include <errno.h>

#include "conf.h"
#include "known.h"
#include "log.h"

#define ASK_PAUSE_MS 1000

struct name {
	struct names *all;
	const char *text; /* of conf */
	struct known known;
	struct timer due; /* armed between lookups */
	uint64_t asked_ms;
	uint64_t ttl_ms; /* of the last good answer */
	struct lookup lookup;
};

struct names {
	struct loop *loop;
	const struct heritage *h;
	void (*listener)(void *owner); /* NULL = nobody listens */
	void *listener_owner;
	unsigned count;
	struct name name[];
};

static void on_due(struct timer *t);

static const char *address_text(const struct names_address *a, char *dst, size_t cap)
{
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, dst, (socklen_t)cap) ? dst : "?";
}

static void log_change(const struct name *n, enum known_change change)
{
	static const char *const words[] = {
		[KNOWN_FOUND] = "name resolved", [KNOWN_MOVED] = "name has other addresses now",
		[KNOWN_BACK] = "name resolves again",
	};
	const struct lookup *l = &n->lookup;
	char text[INET6_ADDRSTRLEN];

	if (change == KNOWN_FAILED)
		log_fields(LOG_LEVEL_WARNING, FIELDS(LF_STR("name", n->text)), "cannot resolve: %s, asking again", l->error);
	else if (change == KNOWN_STALE)
		log_fields(LOG_LEVEL_WARNING, FIELDS(LF_STR("name", n->text)),
		           "cannot resolve: %s, keeping the last addresses and asking again", l->error);
	else
		log_fields(LOG_LEVEL_NOTICE,
		           FIELDS(LF_STR("name", n->text), LF_INT("addresses", l->count),
		                  LF_STR("first", address_text(&l->address[0], text, sizeof(text)))),
		           "%s", words[change]);
}

static void on_answer(struct lookup *l)
{
	struct name *n = container_of(l, struct name, lookup);
	struct stats_slot *stats = n->all->h->stats;
	uint64_t now_ms = loop_now(n->all->loop);
	enum known_change change;

	if (l->error[0]) {
		stats_add(&stats->names_failed, 1);
		change = known_bad(&n->known, l->error, now_ms);
	} else {
		stats_add(&stats->names_resolved, 1);
		n->ttl_ms = l->ttl_ms;
		change = known_good(&n->known, l->address, l->count, now_ms);
	}
	if (change != KNOWN_SAME)
		log_change(n, change);
	if (change != KNOWN_SAME || l->error[0]) { /* the entry was written anew: who found it half written waits to be woken */
		heritage_wake(n->all->h);
		if (n->all->listener)
			n->all->listener(n->all->listener_owner);
	}
	loop_timer_in(n->all->loop, &n->due, known_pause_ms(&n->known, n->ttl_ms, now_ms), on_due);
}

static void on_due(struct timer *t)
{
	struct name *n = container_of(t, struct name, due);

	n->asked_ms = loop_now(n->all->loop);
	lookup_start(&n->lookup, n->text, KNOWN_TTL_MAX_MS);
}

/* --- all of them --------------------------------------------------------------------------------- */

static void name_init(struct name *n, struct names *all, unsigned index, const struct lookup_tuning *tuning)
{
	n->all = all;
	n->text = all->h->conf->names[index];
	lookup_init(&n->lookup, all->loop, tuning, on_answer);
	known_init(&n->known, &all->h->shm->names[all->h->gen_index][index], loop_now(all->loop));
	loop_timer_in(all->loop, &n->due, 0, on_due);
}

struct names *names_new(struct loop *l, const struct heritage *h, const struct lookup_tuning *tuning, struct err *reterr)
{
	const unsigned count = h->conf->names_count < SHM_NAMES ? h->conf->names_count : SHM_NAMES;

	if (lookup_setup(reterr) < 0)
		return NULL;
	struct names *n = calloc(1, sizeof(*n) + count * sizeof(n->name[0]));
	if (!n) {
		(void)err_sys(reterr, -ENOMEM, "cannot start the resolver");
		lookup_cleanup();
		return NULL;
	}
	n->loop = l;
	n->h = h;
	n->count = count;
	for (unsigned i = 0; i < count; i++)
		name_init(&n->name[i], n, i, tuning);
	return n;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	for (unsigned i = 0; i < n->count; i++) {
		lookup_stop(&n->name[i].lookup);
		loop_timer_stop(&n->name[i].due);
	}
	free(n);
	lookup_cleanup();
}

void names_listen(struct names *n, void (*fn)(void *owner), void *owner)
{
	n->listener = fn;
	n->listener_owner = owner;
}

void names_ask(struct names *n)
{
	for (unsigned i = 0; i < n->count; i++) {
		struct name *one = &n->name[i];
		uint64_t soon_ms = one->asked_ms + ASK_PAUSE_MS;
		if (!one->lookup.running && one->due.at_ms > soon_ms)
			loop_timer_at(n->loop, &one->due, soon_ms, on_due);
	}
}
