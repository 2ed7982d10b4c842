/* The admin endpoint: accepts on the admin listeners while its generation serves.  Keeper. */
#include "admin.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

#define ACCEPT_BATCH    16
#define ACCEPT_PAUSE_MS 100

static void on_connection(struct watch *w, uint32_t events);
static void on_pause_over(struct timer *t);

void admin_init(struct admin *a, struct loop *l, const struct heritage *h)
{
	memset(a, 0, sizeof(*a));
	admin_clients_init(&a->clients, l, h);
	for (unsigned i = 0; i < HERITAGE_LISTENERS; i++)
		a->listener[i].admin = a;
}

static void listeners_leave(struct admin *a)
{
	for (unsigned i = 0; i < HERITAGE_LISTENERS; i++)
		loop_del(&a->listener[i].watch);
}

/* Level-triggered: what one turn leaves in the queue is there in the next one.  During a reload the keepers of two
 * generations may look at one listener for a moment; the other just finds nothing. */
static int listeners_join(struct admin *a)
{
	const struct heritage *h = a->clients.h;

	for (unsigned i = 0; i < h->admins && i < HERITAGE_LISTENERS; i++) {
		int r = loop_add(a->clients.loop, &a->listener[i].watch, h->admin_fd[i], EPOLLIN, on_connection);
		if (r < 0) {
			listeners_leave(a);
			return r;
		}
	}
	return 0;
}

/* Without descriptors or memory the queue stays as it is for a moment, instead of waking us in every turn. */
static void accept_pause(struct admin *a)
{
	listeners_leave(a);
	stats_add(&a->clients.h->stats->accept_paused, 1);
	loop_timer_in(a->clients.loop, &a->pause, ACCEPT_PAUSE_MS, on_pause_over);
}

static void on_pause_over(struct timer *t)
{
	struct admin *a = container_of(t, struct admin, pause);

	if (listeners_join(a) < 0)
		loop_timer_in(a->clients.loop, &a->pause, ACCEPT_PAUSE_MS, on_pause_over);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_connection(struct watch *w, uint32_t events)
{
	struct admin *a = container_of(w, struct admin_listener, watch)->admin;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			admin_clients_take(&a->clients, fd);
		} else if (is_shortage(errno)) {
			accept_pause(a);
			return;
		} else if (errno == EAGAIN || errno == EINTR) {
			return;
		} /* anything else is the fate of that one connection (accept(2)) */
	}
}

int admin_open(struct admin *a, struct err *reterr)
{
	if (a->open || a->left)
		return 0;
	int r = listeners_join(a);
	if (r < 0)
		return err_sys(reterr, r, "cannot serve the admin addresses");
	a->open = true;
	return 0;
}

void admin_close(struct admin *a)
{
	if (!a->open)
		return;
	a->open = false;
	loop_timer_stop(&a->pause);
	listeners_leave(a);
}

void admin_leave(struct admin *a)
{
	const struct heritage *h = a->clients.h;

	admin_close(a);
	for (unsigned i = 0; !a->left && i < h->admins; i++) {
		int fd = h->admin_fd[i];
		close_p(&fd);
	}
	a->left = true;
}

void admin_done(struct admin *a)
{
	admin_close(a);
	admin_clients_done(&a->clients);
}
