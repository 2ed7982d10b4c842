/* A generation's life: birth of its children, READY, retirement, end.  Master. */
#include "generation.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "child.h"
#include "clock.h"
#include "log.h"

_Static_assert(2 * (GENERATION_WORKERS + 1) < SHM_SLOTS, "a generation beside another one");

static int child_init(struct generation *g, struct child *c, bool keeper, unsigned number, struct err *reterr)
{
	*c = (struct child){ .generation = g, .channel_fd = -1, .wake_fd = -1 };
	c->slot.verbs = &child_verbs;
	c->slot.keeper = keeper;
	c->slot.number = number;
	c->slot.start_limit_ms = g->conf->master.reload_timeout;
	c->slot.shm_slot = book_take(g->book, g->shm);
	if (c->slot.shm_slot == 0)
		return err_set(reterr, -ENOSPC, "all %d slots of shared memory are in use", SHM_SLOTS);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->wake_fd < 0 ? err_sys(reterr, -errno, "cannot make an eventfd") : 0;
}

struct generation *generation_new(const struct generation_plan *plan, struct err *reterr)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g) {
		(void)err_sys(reterr, -ENOMEM, "cannot make a generation");
		return NULL;
	}
	*g = (struct generation){ .number = plan->number, .index = plan->index, .conf = plan->conf, .shm = plan->shm,
		                  .event = plan->event, .listen = plan->listen, .admin = plan->admin,
		                  .children = plan->children, .calls = plan->calls, .book = plan->book };
	int r = child_init(g, &g->keeper, true, 0, reterr);
	for (unsigned i = 0; r == 0 && i < g->conf->master.workers; i++) {
		g->workers = i + 1;
		r = child_init(g, &g->worker[i], false, i, reterr);
	}
	if (r == 0)
		return g;
	g->conf = NULL; /* these stay the caller's */
	g->listen.count = g->admin.count = 0;
	generation_free(g);
	return NULL;
}

void generation_start(struct generation *g)
{
	g->phase = GENERATION_STARTING;
	g->born_ms = clock_now_ms();
	slot_feed(&g->keeper.slot, SLOT_SPAWN);
	for (unsigned i = 0; i < g->workers && g->phase == GENERATION_STARTING; i++)
		slot_feed(&g->worker[i].slot, SLOT_SPAWN);
}

unsigned generation_ready(const struct generation *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->workers; i++)
		n += g->worker[i].slot.state == SLOT_SERVING;
	return n;
}

static bool workers_gone(const struct generation *g)
{
	for (unsigned i = 0; i < g->workers; i++)
		if (!slot_is_empty(&g->worker[i].slot))
			return false;
	return true;
}

static void starting_moved(struct generation *g, struct child *c, enum slot_state was)
{
	const bool late = clock_now_ms() - g->born_ms >= g->conf->master.reload_timeout;

	/* It refused or died; or it was killed for being late, or could not be forked all that time. */
	if (c->slot.state == SLOT_WAITING && (was == SLOT_STARTING || late)) {
		g->calls->failed(g, c);
		return;
	}
	if (g->keeper.slot.state != SLOT_SERVING || generation_ready(g) < g->workers)
		return;
	g->phase = GENERATION_SERVING;
	g->calls->served(g);
}

/* The keeper stays for its last worker: names, tokens and /livez are needed until then. */
static void retiring_moved(struct generation *g)
{
	if (!workers_gone(g))
		return;
	if (g->keeps_keeper) {
		if (g->phase != GENERATION_IDLE) {
			g->phase = GENERATION_IDLE;
			g->calls->drained(g);
		}
		return;
	}
	if (slot_is_empty(&g->keeper.slot)) {
		g->phase = GENERATION_GONE;
		g->calls->gone(g);
	} else if (g->keeper.slot.state == SLOT_SERVING || g->keeper.slot.state == SLOT_WAITING
	           || g->keeper.slot.state == SLOT_STARTING) {
		g->keeper.slot.drain_ms = clock_now_ms();
		slot_feed(&g->keeper.slot, SLOT_DRAIN);
	}
}

void generation_moved(struct generation *g, struct child *c, enum slot_state was)
{
	/* One that was born anew: probes and metrics go on while a daemon drains or stops, too. */
	if (g->phase != GENERATION_STARTING && !g->replaced && c->slot.keeper && c->slot.state == SLOT_SERVING)
		child_send(c, MSG_SERVE);
	if (g->phase == GENERATION_STARTING)
		starting_moved(g, c, was);
	else if (g->phase == GENERATION_RETIRING || (g->phase == GENERATION_IDLE && !g->keeps_keeper))
		retiring_moved(g);
	if (g->phase != GENERATION_GONE)
		g->calls->moved(g);
}

static bool accepts(const struct child *c)
{
	return c->slot.pid > 0 && !c->closed;
}

/* A child said that it accepts no more, or has ended. */
void generation_closed(struct generation *g)
{
	if (g->phase < GENERATION_RETIRING || accepts(&g->keeper))
		return;
	for (unsigned i = 0; i < g->workers; i++)
		if (accepts(&g->worker[i]))
			return;
	g->calls->closed(g);
}

void generation_retire(struct generation *g, uint64_t deadline_ms, bool keep_keeper)
{
	if (g->phase >= GENERATION_RETIRING)
		return;
	g->phase = GENERATION_RETIRING;
	g->keeps_keeper = keep_keeper;
	g->drain_ms = deadline_ms;
	for (unsigned i = 0; i < g->workers; i++) {
		g->worker[i].slot.drain_ms = deadline_ms;
		slot_feed(&g->worker[i].slot, SLOT_DRAIN);
	}
	listeners_close(&g->listen); /* nobody is born here any more; the admin port is the keeper's, who may be */
	generation_closed(g);
	if (g->phase == GENERATION_RETIRING)
		retiring_moved(g);
}

void generation_replace(struct generation *g)
{
	g->replaced = true;
	child_send(&g->keeper, MSG_RETIRE);
	listeners_close(&g->admin); /* an address that the newer one has not is free again */
}

void generation_give_up(struct generation *g)
{
	generation_replace(g);
	generation_retire(g, clock_now_ms() + g->conf->master.drain_timeout, false);
}

void generation_release(struct generation *g)
{
	g->keeps_keeper = false;
	if (g->phase == GENERATION_RETIRING || g->phase == GENERATION_IDLE)
		retiring_moved(g);
}

void generation_kill(struct generation *g)
{
	if (g->phase == GENERATION_GONE)
		return;
	g->phase = GENERATION_RETIRING;
	g->keeps_keeper = false;
	for (unsigned i = 0; i < g->workers; i++)
		slot_feed(&g->worker[i].slot, SLOT_KILL);
	if (g->phase == GENERATION_RETIRING)
		slot_feed(&g->keeper.slot, SLOT_KILL);
	if (g->phase == GENERATION_RETIRING)
		retiring_moved(g);
}

struct child *generation_child(struct generation *g, pid_t pid)
{
	if (g->keeper.slot.pid == pid)
		return &g->keeper;
	for (unsigned i = 0; i < g->workers; i++)
		if (g->worker[i].slot.pid == pid)
			return &g->worker[i];
	return NULL;
}

static void kick_others(struct generation *g, const struct child *dead)
{
	for (unsigned i = 0; i < g->workers; i++)
		if (&g->worker[i] != dead && g->worker[i].slot.state == SLOT_SERVING)
			child_send(&g->worker[i], MSG_KICK);
}

void generation_kick(struct generation *g)
{
	kick_others(g, NULL);
}

void generation_reaped(struct generation *g, struct child *c, int status)
{
	child_ended(c, status);
	if (!c->slot.keeper)
		kick_others(g, c);
	generation_closed(g);
	slot_feed(&c->slot, SLOT_EXIT);
}

void generation_check_beats(struct generation *g, uint64_t now_ms)
{
	for (unsigned i = 0; i <= g->workers && g->phase != GENERATION_GONE; i++) {
		struct child *c = i < g->workers ? &g->worker[i] : &g->keeper;
		uint64_t beat = stats_get(&g->shm->slot[c->slot.shm_slot].beat_ms), stuck = g->conf->master.stuck_timeout;
		if ((c->slot.state != SLOT_SERVING && c->slot.state != SLOT_DRAINING) || beat + stuck >= now_ms)
			continue;
		log_error("%s (pid %d) is stuck: no heartbeat for %llu ms, ending it", child_name(c), (int)c->slot.pid,
		          (unsigned long long)(now_ms - beat));
		slot_feed(&c->slot, SLOT_STUCK);
	}
}

void generation_free(struct generation *g)
{
	if (!g)
		return;
	listeners_close(&g->listen);
	listeners_close(&g->admin);
	child_done(&g->keeper);
	for (unsigned i = 0; i < g->workers; i++)
		child_done(&g->worker[i]);
	conf_free(g->conf);
	free(g);
}
