/* The names this generation may dial, resolved by c-ares into shared memory.  Keeper.
 *
 * Every lookup has a channel of its own: that is what reads /etc/resolv.conf and /etc/hosts, so changes of either
 * are followed without watching files, and a server that was found dead is tried again. */
#include "names.h"

#include <ares.h>
#include <errno.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/time.h>

#include "conf.h"
#include "known.h"
#include "log.h"

#define LOOKUP_SOCKETS     16   /* open at once; c-ares uses one or two per server */
#define LOOKUP_TRY_MS      800  /* of the first round over the servers; doubles with each */
#define LOOKUP_TRIES       3
#define LOOKUP_DEADLINE_MS 5000 /* of all of it, search domains included */
#define ASK_PAUSE_MS       1000

struct name;

struct lookup_socket {
	struct watch watch; /* watch.loop NULL = not in use */
	struct name *name;
};

struct name {
	struct names *all;
	const char *text; /* of conf */
	struct known known;
	struct timer due; /* armed between lookups */
	uint64_t asked_ms;
	uint64_t ttl_ms; /* of the last good answer */

	/* The lookup that runs; channel NULL = none. */
	ares_channel channel;
	struct timer tick, deadline;
	struct deferred finish; /* queued once the answer is there: c-ares may not be destroyed in its own call */
	bool answered;
	char error[64]; /* "" = good */
	struct names_address address[SHM_ADDRESSES];
	unsigned count;
	struct lookup_socket socket[LOOKUP_SOCKETS];
};

struct names {
	struct loop *loop;
	const struct heritage *h;
	struct names_tuning tuning;
	void (*listener)(void *owner); /* NULL = nobody listens */
	void *listener_owner;
	unsigned count;
	struct name name[];
};

static void on_due(struct timer *t);

/* --- the answer ---------------------------------------------------------------------------------- */

static const char *why(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:    return "no such name";
	case ARES_ENODATA:      return "the name has no address";
	case ARES_ETIMEOUT:
	case ARES_ECANCELLED:   return "no answer from the DNS server in time";
	case ARES_ECONNREFUSED: return "no DNS server can be reached, or all fail"; /* SERVFAIL ends up here, too */
	default:                return ares_strerror(status);
	}
}

static bool take_address(struct name *n, const struct sockaddr *sa)
{
	struct names_address *a = &n->address[n->count];

	if (n->count == SHM_ADDRESSES)
		return false;
	if (sa->sa_family == AF_INET) {
		a->family = 4;
		memcpy(a->bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		a->family = 6;
		memcpy(a->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	} else {
		return false;
	}
	n->count++;
	return true;
}

static void take_addresses(struct name *n, const struct ares_addrinfo *found)
{
	int ttl_s = KNOWN_TTL_MAX_MS / 1000;

	for (const struct ares_addrinfo_node *a = found->nodes; a; a = a->ai_next)
		if (take_address(n, a->ai_addr) && a->ai_ttl < ttl_s)
			ttl_s = a->ai_ttl;
	n->ttl_ms = ttl_s > 0 ? (uint64_t)ttl_s * 1000 : 0;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct name *n = arg;

	(void)timeouts;
	n->answered = true;
	if (status == ARES_SUCCESS)
		take_addresses(n, found);
	if (n->count == 0)
		(void)snprintf(n->error, sizeof(n->error), "%s", why(status == ARES_SUCCESS ? ARES_ENODATA : status));
	if (found)
		ares_freeaddrinfo(found);
}

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
	char text[INET6_ADDRSTRLEN];

	if (change == KNOWN_FAILED)
		log_fields(LOG_LEVEL_WARNING, FIELDS(LF_STR("name", n->text)), "cannot resolve: %s, asking again", n->error);
	else if (change == KNOWN_STALE)
		log_fields(LOG_LEVEL_WARNING, FIELDS(LF_STR("name", n->text)),
		           "cannot resolve: %s, keeping the last addresses and asking again", n->error);
	else
		log_fields(LOG_LEVEL_NOTICE,
		           FIELDS(LF_STR("name", n->text), LF_INT("addresses", n->count),
		                  LF_STR("first", address_text(&n->address[0], text, sizeof(text)))),
		           "%s", words[change]);
}

static void wake_workers(const struct heritage *h)
{
	const uint64_t one = 1;

	for (unsigned i = 0; i < h->wakes; i++)
		if (h->wake_others[i] >= 0 && write(h->wake_others[i], &one, sizeof(one)) < 0 && errno != EAGAIN)
			log_debug("cannot wake a worker: errno %d", errno);
}

static void settle(struct name *n)
{
	struct stats_slot *stats = n->all->h->stats;
	uint64_t now_ms = loop_now(n->all->loop);
	enum known_change change;

	if (n->error[0]) {
		stats_add(&stats->names_failed, 1);
		change = known_bad(&n->known, n->error, now_ms);
	} else {
		stats_add(&stats->names_resolved, 1);
		change = known_good(&n->known, n->address, n->count, now_ms);
	}
	if (change != KNOWN_SAME) {
		log_change(n, change);
		wake_workers(n->all->h);
		if (n->all->listener)
			n->all->listener(n->all->listener_owner);
	}
	loop_timer_in(n->all->loop, &n->due, known_pause_ms(&n->known, n->ttl_ms, now_ms), on_due);
}

/* --- the lookup ---------------------------------------------------------------------------------- */

static void lookup_close(struct name *n)
{
	if (n->channel)
		ares_destroy(n->channel); /* closes its sockets through on_socket_state */
	n->channel = NULL;
	loop_timer_stop(&n->tick);
	loop_timer_stop(&n->deadline);
	loop_defer_cancel(&n->finish);
}

static void on_finish(struct deferred *d)
{
	struct name *n = container_of(d, struct name, finish);

	lookup_close(n);
	settle(n);
}

static void on_tick(struct timer *t);

/* After every call into c-ares: either the answer is there, or its next timeout is armed. */
static void lookup_go_on(struct name *n)
{
	struct timeval tv;

	if (n->answered) {
		loop_defer(n->all->loop, &n->finish, on_finish);
		return;
	}
	if (ares_timeout(n->channel, NULL, &tv))
		loop_timer_in(n->all->loop, &n->tick, (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1,
		              on_tick);
}

static void on_tick(struct timer *t)
{
	struct name *n = container_of(t, struct name, tick);

	ares_process_fd(n->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	lookup_go_on(n);
}

static void on_deadline(struct timer *t)
{
	struct name *n = container_of(t, struct name, deadline);

	ares_cancel(n->channel); /* calls on_answer */
	if (!n->answered)
		on_answer(n, ARES_ETIMEOUT, 0, NULL);
	lookup_go_on(n);
}

static void on_socket(struct watch *w, uint32_t events)
{
	struct name *n = container_of(w, struct lookup_socket, watch)->name;
	const uint32_t broken = EPOLLERR | EPOLLHUP;

	if (n->answered)
		return;
	ares_process_fd(n->channel, events & (EPOLLIN | broken) ? w->fd : ARES_SOCKET_BAD,
	                events & EPOLLOUT ? w->fd : ARES_SOCKET_BAD);
	lookup_go_on(n);
}

static struct watch *socket_watch(struct name *n, int fd)
{
	struct watch *free_one = NULL;

	for (size_t i = 0; i < LOOKUP_SOCKETS; i++) {
		struct watch *w = &n->socket[i].watch;
		if (w->loop && w->fd == fd)
			return w;
		if (!w->loop)
			free_one = w;
	}
	return free_one;
}

/* c-ares says what it waits for on one of its sockets; neither = it is about to close it.  A socket that we cannot
 * watch makes its query time out. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct name *n = arg;
	struct watch *w = socket_watch(n, fd);
	uint32_t events = (readable ? (uint32_t)EPOLLIN : 0u) | (writable ? (uint32_t)EPOLLOUT : 0u);

	if (!w)
		return;
	if (!events)
		loop_del(w);
	else if ((w->loop ? loop_mod(w, events) : loop_add(n->all->loop, w, fd, events, on_socket)) < 0)
		log_debug("cannot watch a socket of the resolver: errno %d", errno);
}

static int lookup_open(struct name *n)
{
	const struct names_tuning *tuning = &n->all->tuning;
	char lookups[] = "fb";
	struct ares_options o = {
		.timeout = LOOKUP_TRY_MS,
		.tries = LOOKUP_TRIES,
		.lookups = lookups,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = n,
		.udp_port = tuning->port,
		.tcp_port = tuning->port,
		.resolvconf_path = (char *)(uintptr_t)tuning->resolv_conf,
	};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;

	if (tuning->port)
		mask |= ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
	if (tuning->resolv_conf)
		mask |= ARES_OPT_RESOLVCONF;
	return ares_init_options(&n->channel, &o, mask);
}

static void on_due(struct timer *t)
{
	static const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct name *n = container_of(t, struct name, due);

	n->asked_ms = loop_now(n->all->loop);
	n->answered = false;
	n->count = 0;
	n->error[0] = '\0';
	int r = lookup_open(n);
	if (r != ARES_SUCCESS) {
		n->channel = NULL;
		(void)snprintf(n->error, sizeof(n->error), "%s", why(r));
		settle(n);
		return;
	}
	loop_timer_in(n->all->loop, &n->deadline, LOOKUP_DEADLINE_MS, on_deadline);
	ares_getaddrinfo(n->channel, n->text, NULL, &hints, on_answer, n);
	lookup_go_on(n);
}

/* --- all of them --------------------------------------------------------------------------------- */

static void name_init(struct name *n, struct names *all, unsigned index)
{
	n->all = all;
	n->text = all->h->conf->names[index];
	deferred_init(&n->finish);
	for (size_t i = 0; i < LOOKUP_SOCKETS; i++)
		n->socket[i].name = n;
	known_init(&n->known, &all->h->shm->names[all->h->gen_index][index], loop_now(all->loop));
	loop_timer_in(all->loop, &n->due, 0, on_due);
}

struct names *names_new(struct loop *l, const struct heritage *h, const struct names_tuning *tuning,
                        struct err *reterr)
{
	const unsigned count = h->conf->names_count < SHM_NAMES ? h->conf->names_count : SHM_NAMES;
	int r = ares_library_init(ARES_LIB_INIT_ALL);

	if (r != ARES_SUCCESS) {
		(void)err_set(reterr, -EIO, "cannot start the resolver: %s", ares_strerror(r));
		return NULL;
	}
	struct names *n = calloc(1, sizeof(*n) + count * sizeof(n->name[0]));
	if (!n) {
		(void)err_sys(reterr, -ENOMEM, "cannot start the resolver");
		ares_library_cleanup();
		return NULL;
	}
	n->loop = l;
	n->h = h;
	if (tuning)
		n->tuning = *tuning;
	n->count = count;
	for (unsigned i = 0; i < count; i++)
		name_init(&n->name[i], n, i);
	return n;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	for (unsigned i = 0; i < n->count; i++) {
		lookup_close(&n->name[i]);
		loop_timer_stop(&n->name[i].due);
	}
	free(n);
	ares_library_cleanup();
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
		if (!one->channel && one->due.at_ms > soon_ms)
			loop_timer_at(n->loop, &one->due, soon_ms, on_due);
	}
}
