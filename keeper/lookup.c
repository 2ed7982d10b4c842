/* One lookup of a host's addresses by c-ares.  Keeper. */
#include "lookup.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "log.h"

#define TRY_MS 800 /* of the first round over the servers; doubles with each */
#define TRIES  3

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

static bool take_address(struct lookup *l, const struct sockaddr *sa)
{
	struct names_address *a = &l->address[l->count];

	if (l->count == SHM_ADDRESSES)
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
	l->count++;
	return true;
}

static void take_addresses(struct lookup *l, const struct ares_addrinfo *found)
{
	for (const struct ares_addrinfo_node *a = found->nodes; a; a = a->ai_next) {
		const uint64_t ttl_ms = a->ai_ttl > 0 ? (uint64_t)a->ai_ttl * 1000 : 0;
		if (take_address(l, a->ai_addr) && ttl_ms < l->ttl_ms)
			l->ttl_ms = ttl_ms;
	}
}

static void fail(struct lookup *l, int status)
{
	l->answered = true;
	(void)snprintf(l->error, sizeof(l->error), "%s", why(status));
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct lookup *l = arg;

	(void)timeouts;
	l->answered = true;
	if (status == ARES_SUCCESS)
		take_addresses(l, found);
	if (l->count == 0)
		fail(l, status == ARES_SUCCESS ? ARES_ENODATA : status);
	if (found)
		ares_freeaddrinfo(found);
}

/* --- its course ---------------------------------------------------------------------------------- */

void lookup_stop(struct lookup *l)
{
	if (l->channel)
		ares_destroy(l->channel); /* closes its sockets through on_socket_state */
	l->channel = NULL;
	l->running = false;
	loop_timer_stop(&l->tick);
	loop_timer_stop(&l->deadline);
	loop_defer_cancel(&l->finish);
}

static void on_finish(struct deferred *d)
{
	struct lookup *l = container_of(d, struct lookup, finish);

	lookup_stop(l);
	l->fn(l);
}

static void on_tick(struct timer *t);

/* After every call into c-ares: either the answer is there, or its next timeout is armed. */
static void go_on(struct lookup *l)
{
	struct timeval tv;

	if (l->answered) {
		loop_defer(l->loop, &l->finish, on_finish);
		return;
	}
	if (ares_timeout(l->channel, NULL, &tv))
		loop_timer_in(l->loop, &l->tick, (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1, on_tick);
}

static void on_tick(struct timer *t)
{
	struct lookup *l = container_of(t, struct lookup, tick);

	ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	go_on(l);
}

static void on_deadline(struct timer *t)
{
	struct lookup *l = container_of(t, struct lookup, deadline);

	ares_cancel(l->channel); /* calls on_answer */
	if (!l->answered)
		fail(l, ARES_ETIMEOUT);
	go_on(l);
}

static void on_socket(struct watch *w, uint32_t events)
{
	struct lookup *l = container_of(w, struct lookup_socket, watch)->lookup;
	const uint32_t broken = EPOLLERR | EPOLLHUP;

	if (l->answered)
		return;
	ares_process_fd(l->channel, events & (EPOLLIN | broken) ? w->fd : ARES_SOCKET_BAD,
	                events & EPOLLOUT ? w->fd : ARES_SOCKET_BAD);
	go_on(l);
}

static struct watch *socket_watch(struct lookup *l, int fd)
{
	struct watch *free_one = NULL;

	for (size_t i = 0; i < LOOKUP_SOCKETS; i++) {
		struct watch *w = &l->socket[i].watch;
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
	struct lookup *l = arg;
	struct watch *w = socket_watch(l, fd);
	uint32_t events = (readable ? (uint32_t)EPOLLIN : 0u) | (writable ? (uint32_t)EPOLLOUT : 0u);

	if (!w)
		return;
	if (!events)
		loop_del(w);
	else if ((w->loop ? loop_mod(w, events) : loop_add(l->loop, w, fd, events, on_socket)) < 0)
		log_debug("cannot watch a socket of the resolver: errno %d", errno);
}

static int open_channel(struct lookup *l)
{
	char lookups[] = "fb";
	struct ares_options o = {
		.timeout = TRY_MS,
		.tries = TRIES,
		.lookups = lookups,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = l,
		.udp_port = l->tuning.port,
		.tcp_port = l->tuning.port,
		.resolvconf_path = (char *)(uintptr_t)l->tuning.resolv_conf,
	};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
	ares_channel channel = NULL;

	if (l->tuning.port)
		mask |= ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
	if (l->tuning.resolv_conf)
		mask |= ARES_OPT_RESOLVCONF;
	int r = ares_init_options(&channel, &o, mask);
	l->channel = r == ARES_SUCCESS ? channel : NULL;
	return r;
}

void lookup_start(struct lookup *l, const char *name, uint64_t ttl_max_ms)
{
	static const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

	l->running = true;
	l->answered = false;
	l->count = 0;
	l->error[0] = '\0';
	l->ttl_ms = ttl_max_ms;
	int r = open_channel(l);
	if (r != ARES_SUCCESS) {
		fail(l, r);
	} else {
		loop_timer_in(l->loop, &l->deadline, LOOKUP_DEADLINE_MS, on_deadline);
		ares_getaddrinfo(l->channel, name, NULL, &hints, on_answer, l);
	}
	go_on(l);
}

/* --- life ---------------------------------------------------------------------------------------- */

void lookup_init(struct lookup *l, struct loop *loop, const struct lookup_tuning *tuning, lookup_fn *fn)
{
	*l = (struct lookup){ .loop = loop, .fn = fn };
	if (tuning)
		l->tuning = *tuning;
	deferred_init(&l->finish);
	for (size_t i = 0; i < LOOKUP_SOCKETS; i++)
		l->socket[i].lookup = l;
}

int lookup_setup(struct err *reterr)
{
	int r = ares_library_init(ARES_LIB_INIT_ALL);

	return r == ARES_SUCCESS ? 0 : err_set(reterr, -EIO, "cannot start the resolver: %s", ares_strerror(r));
}

void lookup_cleanup(void)
{
	ares_library_cleanup();
}
