/* What all sessions of a worker share.  Worker. */
#include "service.h"

#include "session.h"

#define ANSWER_BYTES (72 * 1024) /* an upstream's head (<= 64 KiB) and what the relay adds */
#define HEADS_KEPT   64
#define ANSWERS_KEPT 64

void service_init(struct service *sv, struct loop *l, const struct conf *c, struct stats_slot *stats,
                  struct pulls_table *pulls, struct upstream *u, service_fn *on_end)
{
	*sv = (struct service){ .loop = l, .conf = c, .stats = stats, .upstream = u, .on_end = on_end };
	/* A field may be as long as the head: the upstream side says which line is too long for the proxy. */
	sv->limits = (struct gate_limits){ .line = c->listen.head_size,
		                           .head = c->listen.head_size,
		                           .fields = c->listen.head_fields };
	bufpool_init(&sv->heads, sv->limits.head + 16, HEADS_KEPT);
	bufpool_init(&sv->answers, ANSWER_BYTES, ANSWERS_KEPT);
	list_init(&sv->sessions);
	pulls_init(&sv->pulls, pulls);
	wire_setup(sv->limits.head);
}

void service_done(struct service *sv)
{
	assert(list_empty(&sv->sessions));
	bufpool_done(&sv->heads);
	bufpool_done(&sv->answers);
}

void service_drain(struct service *sv)
{
	sv->draining = true;
	list_for_each_safe(it, &sv->sessions)
		session_drain(list_entry(it, struct session, node));
}

void service_cut(struct service *sv)
{
	list_for_each_safe(it, &sv->sessions) {
		struct session *s = list_entry(it, struct session, node);
		if (s->rq) {
			sv->cut++;
			(void)session_abort(s, REQUEST_RELAY_DRAIN);
		} else {
			(void)session_close(s);
		}
	}
}
