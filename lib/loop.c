/* The event loop of workers and the keeper: one epoll, deadlines, deferred work.  One thread. */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "clock.h"

#define LOOP_BATCH 128

int loop_init(struct loop *l)
{
	memset(l, 0, sizeof(*l));
	list_init(&l->queue);
	list_init(&l->running);
	l->now_ms = clock_now_ms();
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll_fd < 0 ? -errno : 0;
}

void loop_done(struct loop *l)
{
	fd_close(&l->epoll_fd);
}

int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	assert(w->loop == NULL && fn != NULL);
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*w = (struct watch){ .loop = l, .fd = fd, .fn = fn };
	return 0;
}

int loop_mod(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	assert(w->loop != NULL);
	return epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void loop_del(struct watch *w)
{
	if (!w->loop)
		return;
	(void)epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->loop = NULL;
	w->fd = -1;
}

/* --- timers: a pairing heap ------------------------------------------------------------------------ */

static struct timer *heap_meld(struct timer *a, struct timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->at_ms < a->at_ms) {
		struct timer *t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	if (b->next)
		b->next->link = &b->next;
	a->child = b;
	b->link = &a->child;
	return a;
}

/* Two passes, without recursion: a burst of thousands of timers must not eat the stack. */
static struct timer *heap_pair(struct timer *first)
{
	struct timer *pairs = NULL, *all = NULL;

	while (first) {
		struct timer *a = first, *b = a->next;
		first = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		a = heap_meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *t = pairs;
		pairs = t->next;
		t->next = NULL;
		all = heap_meld(all, t);
	}
	return all;
}

static void heap_set(struct loop *l, struct timer *t)
{
	l->heap = t;
	if (t) {
		t->next = NULL;
		t->link = &l->heap;
	}
}

void loop_timer_stop(struct timer *t)
{
	struct loop *l = t->loop;

	if (!l)
		return;
	struct timer *orphans = heap_pair(t->child);
	if (l->heap == t) {
		heap_set(l, orphans);
	} else {
		*t->link = t->next;
		if (t->next)
			t->next->link = t->link;
		heap_set(l, heap_meld(l->heap, orphans));
	}
	t->loop = NULL;
	t->child = t->next = NULL;
	t->link = NULL;
}

void loop_timer_at(struct loop *l, struct timer *t, uint64_t at_ms, timer_fn *fn)
{
	loop_timer_stop(t);
	if (l->in_timers && at_ms <= l->now_ms)
		at_ms = l->now_ms + 1; /* a timer that arms itself for now must not keep us in this turn */
	*t = (struct timer){ .loop = l, .at_ms = at_ms, .fn = fn };
	heap_set(l, heap_meld(l->heap, t));
}

void loop_timer_in(struct loop *l, struct timer *t, uint64_t in_ms, timer_fn *fn)
{
	loop_timer_at(l, t, l->now_ms + in_ms, fn);
}

static void run_timers(struct loop *l)
{
	l->in_timers = true;
	while (l->heap && l->heap->at_ms <= l->now_ms) {
		struct timer *t = l->heap;
		loop_timer_stop(t);
		t->fn(t);
	}
	l->in_timers = false;
}

/* --- deferred work ---------------------------------------------------------------------------------- */

void deferred_init(struct deferred *d)
{
	list_init(&d->node);
	d->fn = NULL;
}

void loop_defer(struct loop *l, struct deferred *d, deferred_fn *fn)
{
	if (!list_empty(&d->node))
		return;
	d->fn = fn;
	list_append(&l->queue, &d->node);
}

void loop_defer_cancel(struct deferred *d)
{
	list_del(&d->node);
}

static void run_deferred(struct loop *l)
{
	/* Only what was queued before now: a function that queues itself again must not keep us here. */
	while (!list_empty(&l->queue)) {
		struct list *n = l->queue.next;
		list_del(n);
		list_append(&l->running, n);
	}
	while (!list_empty(&l->running)) {
		struct deferred *d = list_entry(l->running.next, struct deferred, node);
		list_del(&d->node);
		d->fn(d);
	}
}

/* --- turns ------------------------------------------------------------------------------------------- */

static int turn_wait_ms(const struct loop *l, int max_wait_ms)
{
	if (!list_empty(&l->queue))
		return 0;
	if (!l->heap)
		return max_wait_ms;
	uint64_t now = clock_now_ms();
	uint64_t left = l->heap->at_ms > now ? l->heap->at_ms - now : 0;
	int wait = left > INT_MAX ? INT_MAX : (int)left;
	return max_wait_ms >= 0 && max_wait_ms < wait ? max_wait_ms : wait;
}

int loop_turn(struct loop *l, int max_wait_ms)
{
	UNCLEARED struct epoll_event ev[LOOP_BATCH];
	int n = epoll_wait(l->epoll_fd, ev, LOOP_BATCH, turn_wait_ms(l, max_wait_ms));

	/* As after a stop of the process: what has come meanwhile is looked at before its deadlines. */
	if (n < 0 && errno == EINTR)
		n = epoll_wait(l->epoll_fd, ev, LOOP_BATCH, 0);
	if (n < 0 && errno != EINTR)
		return -errno;
	l->turns++;
	l->now_ms = clock_now_ms();
	for (int i = 0; i < n; i++) {
		struct watch *w = ev[i].data.ptr;
		if (w->loop)
			w->fn(w, ev[i].events);
	}
	run_timers(l);
	run_deferred(l);
	return 0;
}

int loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		int r = loop_turn(l, -1);
		if (r < 0)
			return r;
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
