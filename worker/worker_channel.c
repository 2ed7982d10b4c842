/* A worker's line to the master.  Worker. */
#include "worker_channel.h"

#include <errno.h>

#include "log.h"

static void lost(struct worker_channel *c)
{
	loop_del(&c->watch);
	c->calls->lost(c);
}

static void obey(struct worker_channel *c, const struct msg *m)
{
	switch (m->head.type) {
	case MSG_KICK: c->calls->kick(c); break;
	case MSG_DRAIN: c->calls->drain(c, m->u.drain.deadline_ms); break;
	default:
		log_debug("the master says %s, which is not for workers; ignoring", msg_name(m->head.type));
		break;
	}
}

static void on_channel(struct watch *w, uint32_t events)
{
	struct worker_channel *c = container_of(w, struct worker_channel, watch);
	struct msg m;
	int r;

	(void)events;
	do {
		r = msg_receive(c->fd, MSG_FROM_MASTER, c->generation, &m);
		if (r == 1)
			obey(c, &m);
		else if (r == -EBADMSG || r == -ESTALE)
			log_warning("a message that is not from our master; ignoring");
		else if (r != -EAGAIN)
			lost(c);
	} while ((r == 1 || r == -EBADMSG || r == -ESTALE) && w->loop);
}

int worker_channel_open(struct worker_channel *c, struct loop *l, int fd, uint32_t generation,
                        const struct worker_channel_calls *calls)
{
	*c = (struct worker_channel){ .fd = fd, .generation = generation, .calls = calls };
	return loop_add(l, &c->watch, fd, EPOLLIN, on_channel);
}

void worker_channel_close(struct worker_channel *c)
{
	loop_del(&c->watch);
	fd_close(&c->fd);
}

static int say(struct worker_channel *c, struct msg *m, enum msg_type type)
{
	m->head.type = (uint16_t)type;
	m->head.generation = c->generation;
	return msg_send(c->fd, m);
}

int worker_channel_ready(struct worker_channel *c)
{
	struct msg m = { .u.ready.unused = 0 };

	return say(c, &m, MSG_READY);
}

int worker_channel_refused(struct worker_channel *c, const struct err *why)
{
	struct msg m = { .u.refused.code = why->code };

	(void)sv_copy(m.u.refused.reason, sizeof(m.u.refused.reason),
	              sv_make(why->text, strnlen(why->text, sizeof(m.u.refused.reason) - 1)));
	return say(c, &m, MSG_REFUSED);
}

int worker_channel_closed(struct worker_channel *c)
{
	struct msg m = { .u.closed.unused = 0 };

	return say(c, &m, MSG_CLOSED);
}

int worker_channel_drained(struct worker_channel *c, uint32_t cut)
{
	struct msg m = { .u.drained.cut = cut };

	return say(c, &m, MSG_DRAINED);
}
