/* One child of a generation: fork, kill, messages, deadline.  Master. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "spawn.h"

#define MESSAGE_BATCH 16
#define MESSAGES_MAX  16 /* of one process; it has four things to say */

const char *child_name(const struct child *c)
{
	static char name[32];

	if (c->slot.keeper)
		return "keeper";
	(void)snprintf(name, sizeof(name), "worker/%u", c->slot.number);
	return name;
}

static struct child *child_of(struct slot *s)
{
	return container_of(s, struct child, slot);
}

/* --- messages --------------------------------------------------------------------------------------------------- */

static void send_message(struct child *c, struct msg *m)
{
	m->head.generation = c->generation->number;
	int r = c->channel_fd < 0 ? -EPIPE : msg_send(c->channel_fd, m);
	if (r < 0 && r != -EPIPE)
		log_warning("cannot tell %s (pid %d) %s: %s, going on", child_name(c), (int)c->slot.pid,
		            msg_name(m->head.type), strerror(-r));
}

void child_send(struct child *c, enum msg_type type)
{
	struct msg m = { .head.type = (uint16_t)type };

	send_message(c, &m);
}

int child_send_fd(struct child *c, enum msg_type type, int passed)
{
	struct msg m = { .head = { .type = (uint16_t)type, .generation = c->generation->number } };

	return c->channel_fd < 0 ? -EPIPE : msg_send_fd(c->channel_fd, &m, passed);
}

static void take_refused(struct child *c, const struct msg_refused *why)
{
	c->slot.refused = *why;
	if (c->slot.refused.code == 0)
		c->slot.refused.code = -EPROTO;
	log_error("%s (pid %d) refuses to start: %s", child_name(c), (int)c->slot.pid, why->reason);
}

static void take_message(struct child *c, const struct msg *m)
{
	switch (m->head.type) {
	case MSG_READY: slot_feed(&c->slot, SLOT_READY); break;
	case MSG_REFUSED: take_refused(c, &m->u.refused); break;
	case MSG_CLOSED:
		c->closed = true;
		generation_closed(c->generation);
		break;
	case MSG_DRAINED:
		if (m->u.drained.cut)
			log_fields(LOG_LEVEL_WARNING, FIELDS(LF_EVENT(PULLS_CUT), LF_INT("cut", m->u.drained.cut)),
			           "%s (pid %d) cut %u connections that did not end in time", child_name(c),
			           (int)c->slot.pid, m->u.drained.cut);
		break;
	default: break;
	}
}

static void channel_close(struct child *c)
{
	c->io = sd_event_source_disable_unref(c->io);
	fd_close(&c->channel_fd);
}

/* Nothing of ours says so much: somebody else is at work in it, and would keep this process from all others. */
static bool babbles(struct child *c)
{
	if (c->heard++ < MESSAGES_MAX)
		return false;
	log_error("%s (pid %d) sends messages without end, not listening any more", child_name(c), (int)c->slot.pid);
	channel_close(c);
	return true;
}

static void take_messages(struct child *c)
{
	struct msg m;

	for (int i = 0; i < MESSAGE_BATCH && c->channel_fd >= 0; i++) {
		int r = msg_receive(c->channel_fd, MSG_FROM_CHILD, c->generation->number, &m);
		if (r == -EAGAIN || (r != 0 && babbles(c)))
			return;
		if (r == 1)
			take_message(c, &m);
		else if (r == -EBADMSG || r == -ESTALE)
			log_warning("%s (pid %d) sent what no child may send, ignoring it", child_name(c), (int)c->slot.pid);
		else
			channel_close(c);
	}
}

static int on_channel(sd_event_source *s, int fd, uint32_t events, void *user)
{
	struct child *c = user;

	(void)s, (void)fd, (void)events;
	take_messages(c);
	if (c->heard > MESSAGES_MAX)
		slot_feed(&c->slot, SLOT_STUCK);
	return 0;
}

/* --- the slot's verbs ------------------------------------------------------------------------------------------- */

static void copy_listeners(const struct listeners *from, int *to, unsigned *count)
{
	*count = 0;
	for (unsigned i = 0; i < from->count && *count < HERITAGE_LISTENERS; i++)
		if (from->item[i].fd >= 0)
			to[(*count)++] = from->item[i].fd;
}

static void fill_heritage(const struct child *c, int channel_fd, struct heritage *h)
{
	const struct generation *g = c->generation;

	*h = (struct heritage){ .conf = g->conf, .channel_fd = channel_fd, .wake_fd = c->wake_fd, .shm = g->shm,
		                .stats = &g->shm->slot[c->slot.shm_slot], .slot = c->slot.shm_slot,
		                .number = c->slot.number, .generation = g->number, .gen_index = g->index,
		                .master_pid = getpid() };
	if (c->slot.keeper) {
		copy_listeners(&g->admin, h->admin_fd, &h->admins);
		for (unsigned i = 0; i < g->workers; i++)
			h->wake_others[h->wakes++] = g->worker[i].wake_fd;
	} else {
		copy_listeners(&g->listen, h->listen_fd, &h->listeners);
		h->wake_others[h->wakes++] = g->keeper.wake_fd;
	}
}

static int verb_fork(struct slot *s)
{
	struct child *c = child_of(s);
	const struct generation *g = c->generation;
	CLEANUP(close_p) int theirs = -1;
	struct heritage h;
	int r = msg_pair(&c->channel_fd, &theirs);

	if (r == 0)
		r = sd_event_add_io(g->event, &c->io, c->channel_fd, EPOLLIN, on_channel, c);
	if (r >= 0) {
		fill_heritage(c, theirs, &h);
		stats_set(&h.stats->beat_ms, clock_now_ms());
		r = (int)spawn_child(&h, child_name(c), s->keeper ? g->children->keeper : g->children->worker);
	}
	if (r < 0) {
		log_error("cannot start %s: %s, trying again", child_name(c), strerror(-r));
		s->refused.code = r;
		(void)snprintf(s->refused.reason, sizeof(s->refused.reason), "cannot be started: %s", strerror(-r));
		channel_close(c);
		return r;
	}
	s->pid = r;
	c->closed = s->keeper && g->replaced; /* then it is never told to serve */
	c->heard = 0;
	return 0;
}

static void verb_kill(struct slot *s, int signal)
{
	if (s->pid > 0 && kill(s->pid, signal) < 0)
		log_warning("cannot send signal %d to pid %d: %s", signal, (int)s->pid, strerror(errno));
}

static void verb_drain(struct slot *s)
{
	struct msg m = { .head.type = MSG_DRAIN, .u.drain.deadline_ms = s->drain_ms };

	send_message(child_of(s), &m);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct child *c = user;

	(void)source, (void)usec;
	c->timer = sd_event_source_disable_unref(c->timer);
	if (c->slot.state == SLOT_STARTING || c->slot.state == SLOT_DRAINING)
		log_error("%s (pid %d) is %s for too long, killing it", child_name(c), (int)c->slot.pid,
		          slot_state_name(c->slot.state));
	if (c->slot.state == SLOT_STARTING) {
		c->slot.refused.code = -ETIMEDOUT;
		(void)snprintf(c->slot.refused.reason, sizeof(c->slot.refused.reason), "was not ready after %llu ms",
		               (unsigned long long)c->slot.start_limit_ms);
	}
	slot_feed(&c->slot, SLOT_TIMEOUT);
	return 0;
}

static void verb_arm(struct slot *s, uint64_t in_ms)
{
	struct child *c = child_of(s);

	c->timer = sd_event_source_disable_unref(c->timer);
	if (in_ms == UINT64_MAX)
		return;
	int r = sd_event_add_time_relative(c->generation->event, &c->timer, CLOCK_MONOTONIC, in_ms * 1000, 1000, on_timer, c);
	if (r < 0)
		log_error("no timer for %s: %s", child_name(c), strerror(-r));
}

static void verb_changed(struct slot *s, enum slot_state was)
{
	struct child *c = child_of(s);

	if (s->state == SLOT_WAITING)
		log_notice("%s starts again in a moment", child_name(c));
	generation_moved(c->generation, c, was);
}

static uint64_t verb_now(const struct slot *s)
{
	(void)s;
	return clock_now_ms();
}

const struct slot_verbs child_verbs = {
	.fork = verb_fork,
	.kill = verb_kill,
	.drain = verb_drain,
	.arm = verb_arm,
	.changed = verb_changed,
	.now_ms = verb_now,
};

/* --- the end ---------------------------------------------------------------------------------------------------- */

void child_ended(struct child *c, int status)
{
	take_messages(c);
	channel_close(c);
	stats_zero_gauges(&c->generation->shm->slot[c->slot.shm_slot]);
	pulls_reset(&c->generation->shm->pulls[c->slot.shm_slot]);
	c->slot.exit_status = status;
	c->slot.pid = 0;
}

void child_done(struct child *c)
{
	if (!c->generation)
		return;
	c->timer = sd_event_source_disable_unref(c->timer);
	channel_close(c);
	fd_close(&c->wake_fd);
	book_return(c->generation->book, c->slot.shm_slot);
	*c = (struct child){ .channel_fd = -1, .wake_fd = -1 };
}
