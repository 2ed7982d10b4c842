/* Accepts clients from the listeners that all workers share.  Worker. */
#include "acceptor.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

#define BATCH       8    /* accepted in one wake-up; then the clients we have come first */
#define TURN        16   /* accepted before we go to the end of the line */
#define LEAVE_MAX   16   /* taken beyond the limit while leaving a set that others must not be left out of */
#define CLOSE_MAX   4096 /* the same while closing for good */
#define PAUSE_MS    500
#define MEAN_AGE_MS 100
#define NOTSENT     (128 * 1024) /* bytes the kernel keeps unsent for a client */

enum acceptor_verdict acceptor_verdict(int error)
{
	switch (error) {
	case EAGAIN: return ACCEPTOR_EMPTY;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM: return ACCEPTOR_PAUSE;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EFAULT: return ACCEPTOR_BROKEN;
	default: return ACCEPTOR_RETRY; /* an error of the one connection (accept(2)), or a firewall's EPERM */
	}
}

/* --- the set ------------------------------------------------------------------------------------- */

static void on_listener(struct watch *w, uint32_t events);

static void set_leave(struct acceptor *a)
{
	for (unsigned i = 0; i < a->listeners; i++)
		loop_del(&a->listener[i].watch);
}

static int set_enter(struct acceptor *a)
{
	a->since_turn = 0;
	for (unsigned i = 0; i < a->listeners; i++) {
		struct acceptor_listener *l = &a->listener[i];
		loop_del(&l->watch);
		int r = loop_add(a->loop, &l->watch, l->fd, EPOLLIN | EPOLLEXCLUSIVE, on_listener);
		if (r < 0)
			return r;
	}
	return 0;
}

static void pause_begin(struct acceptor *a, int error);

static void set_enter_or_pause(struct acceptor *a)
{
	int r = set_enter(a);

	a->state = ACCEPTOR_OPEN;
	if (r < 0)
		pause_begin(a, -r);
}

static void on_pause_over(struct timer *t)
{
	struct acceptor *a = container_of(t, struct acceptor, pause);

	if (a->state == ACCEPTOR_PAUSED)
		set_enter_or_pause(a);
}

/* The connections stay queued, where another worker may have room for them. */
static void pause_begin(struct acceptor *a, int error)
{
	set_leave(a);
	a->state = ACCEPTOR_PAUSED;
	stats_add(&a->stats->accept_paused, 1);
	if (!a->warned)
		log_warning("cannot accept clients: %s; trying again every %d ms", strerror(error), PAUSE_MS);
	a->warned = true;
	loop_timer_in(a->loop, &a->pause, PAUSE_MS, on_pause_over);
}

/* --- accepting ----------------------------------------------------------------------------------- */

static void hand_over(struct acceptor *a, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	int r = a->take(a, fd, (const struct sockaddr *)peer, len);

	if (r == 0)
		return;
	log_warning("cannot serve a client: %s; closing it", strerror(-r));
	close_p(&fd);
}

/* One client: 1 = taken, 0 = none waits, -errno = a pause or the end is due; `retries` bounds bad luck. */
static int accept_one(struct acceptor *a, int listen_fd)
{
	for (unsigned tries = 0; tries < BATCH; tries++) {
		struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(peer);
		int fd = accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			a->warned = false;
			a->since_turn++;
			hand_over(a, fd, &peer, len);
			return 1;
		}
		if (acceptor_verdict(errno) != ACCEPTOR_RETRY)
			return errno == EAGAIN ? 0 : -errno;
	}
	return 0;
}

/* Accepts at most max from one listener.  0, or -errno as accept_one. */
static int accept_some(struct acceptor *a, const struct acceptor_listener *l, unsigned max)
{
	int r = 1;

	while (r > 0 && max-- > 0)
		r = accept_one(a, l->fd);
	return r < 0 ? r : 0;
}

static void failed(struct acceptor *a, int error)
{
	if (acceptor_verdict(error) == ACCEPTOR_PAUSE) {
		pause_begin(a, error);
		return;
	}
	set_leave(a);
	a->broken(a, error);
}

/* --- balance ------------------------------------------------------------------------------------- */

static uint64_t mean_sessions(struct acceptor *a)
{
	const uint64_t now = loop_now(a->loop);
	uint64_t sum = 0;

	if (a->mean_at_ms != 0 && now - a->mean_at_ms < MEAN_AGE_MS)
		return a->mean;
	for (unsigned i = 0; i < SHM_SLOTS; i++) {
		uint64_t claim = stats_get(&a->shm->slot[i].sessions);
		sum += claim < UINT32_MAX ? claim : 0;
	}
	a->mean = sum / (a->workers ? a->workers : 1);
	a->mean_at_ms = now ? now : 1;
	return a->mean;
}

/* The kernel wakes who stands first in line; whoever had a turn or has more than its share goes to the end. */
static bool turn_is_over(struct acceptor *a)
{
	if (a->workers < 2)
		return false;
	if (a->since_turn >= TURN)
		return true;
	const uint64_t mean = mean_sessions(a);
	return a->clients > mean + mean / 8 + 8;
}

static void on_listener(struct watch *w, uint32_t events)
{
	struct acceptor_listener *l = container_of(w, struct acceptor_listener, watch);
	struct acceptor *a = l->acceptor;

	(void)events;
	unsigned room = a->limit > a->clients ? a->limit - a->clients : 0;
	int r = accept_some(a, l, room < BATCH ? room : BATCH);
	if (r < 0)
		failed(a, -r);
	else if (a->state == ACCEPTOR_OPEN && turn_is_over(a))
		set_enter_or_pause(a);
}

/* --- from outside -------------------------------------------------------------------------------- */

static void accept_rest(struct acceptor *a, unsigned max)
{
	for (unsigned i = 0; i < a->listeners; i++)
		(void)accept_some(a, &a->listener[i], max);
}

void acceptor_clients(struct acceptor *a, unsigned clients)
{
	a->clients = clients;
	if (a->state == ACCEPTOR_OPEN && clients >= a->limit) {
		a->state = ACCEPTOR_FULL;
		set_leave(a);
		if (a->workers > 1)
			accept_rest(a, LEAVE_MAX);
	} else if (a->state == ACCEPTOR_FULL && clients < a->limit) {
		set_enter_or_pause(a);
	}
}

void acceptor_kick(struct acceptor *a)
{
	if (a->state == ACCEPTOR_OPEN)
		set_enter_or_pause(a);
}

static void leave_for_good(struct acceptor *a, unsigned max)
{
	if (a->state == ACCEPTOR_CLOSED)
		return;
	a->state = ACCEPTOR_CLOSED;
	loop_timer_stop(&a->pause);
	set_leave(a);
	accept_rest(a, max);
	for (unsigned i = 0; i < a->listeners; i++)
		fd_close(&a->listener[i].fd);
}

void acceptor_close(struct acceptor *a)
{
	leave_for_good(a, CLOSE_MAX);
}

void acceptor_abandon(struct acceptor *a)
{
	leave_for_good(a, 0);
}

/* Accepted sockets inherit these from the listener, which saves a system call each per client. */
static void set_options(int fd, const struct acceptor_options *o)
{
	const int on = 1, notsent = NOTSENT;
	const unsigned unacked_ms = o->send_timeout > UINT32_MAX ? UINT32_MAX : (unsigned)o->send_timeout;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof(notsent));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
}

int acceptor_open(struct acceptor *a, struct loop *l, const struct heritage *h,
                  const struct acceptor_options *o, struct err *reterr)
{
	*a = (struct acceptor){
		.loop = l,
		.shm = h->shm,
		.stats = h->stats,
		.workers = o->workers,
		.limit = o->limit,
		.take = o->take,
		.broken = o->broken,
		.listeners = h->listeners,
	};
	for (unsigned i = 0; i < a->listeners; i++) {
		a->listener[i] = (struct acceptor_listener){ .acceptor = a, .fd = h->listen_fd[i] };
		set_options(h->listen_fd[i], o);
	}
	int r = set_enter(a);
	return r < 0 ? err_sys(reterr, r, "cannot poll the listeners") : 0;
}
