/* What all sessions of a worker share.  Worker. */
#include "service.h"

#include <malloc.h>

#include "access.h"
#include "log.h"
#include "session.h"

#define ANSWER_BYTES (72 * 1024) /* an upstream's head (<= 64 KiB) and what the relay adds */
#define HEADS_KEPT   16
#define CROWDED_TELL_MS 10000
#define ANSWERS_KEPT 16
#define BURST        64 /* requests at one time, from which on it is one */

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

/* --- how many of one address ------------------------------------------------------------------------------------- */

/* A network of IPv6 counts as one address: whoever has one address of it has them all (RFC 7421). */
#define V6_NETWORK_BYTES 8

static struct strview key_of(const union session_peer *peer)
{
	const struct in6_addr *six = &peer->v6.sin6_addr;

	if (peer->sa.sa_family == AF_INET)
		return sv_make((const char *)&peer->v4.sin_addr, sizeof(peer->v4.sin_addr));
	if (peer->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six))
		return sv_make((const char *)six->s6_addr + 12, 4);
	return sv_make((const char *)six->s6_addr, V6_NETWORK_BYTES);
}

static void tell_crowded(struct service *sv, const union session_peer *peer)
{
	const uint64_t now = loop_now(sv->loop);
	char text[INET6_ADDRSTRLEN];

	stats_add(&sv->stats->rejected_address, 1);
	if (sv->crowded_told_ms && now - sv->crowded_told_ms < CROWDED_TELL_MS)
		return;
	sv->crowded_told_ms = now ? now : 1;
	log_warning("%s has %u connections already ([listen] max_connections_per_address): refusing more", access_peer(peer, text),
	            sv->conf->listen.max_connections_per_address);
}

/* Looks at all sessions: the limit is off as a rule, and a few thousand short comparisons cost less than an accept. */
bool service_is_crowded(struct service *sv, const struct sockaddr *addr, socklen_t len)
{
	const unsigned limit = sv->conf->listen.max_connections_per_address;
	union session_peer peer = { .sa.sa_family = AF_UNSPEC };
	unsigned count = 0;

	if (limit == 0 || !addr || len > sizeof(peer))
		return false;
	memcpy(&peer, addr, len);
	list_for_each_safe(it, &sv->sessions)
		count += sv_eq(key_of(&list_entry(it, struct session, node)->peer), key_of(&peer));
	if (count < limit)
		return false;
	tell_crowded(sv, &peer);
	return true;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

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

bool service_tidy(struct service *sv)
{
	const unsigned most = sv->heads.most;

	if (most < BURST || sv->heads.in_use > most / 4)
		return false;
	sv->heads.most = sv->heads.in_use;
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
	return true;
}
