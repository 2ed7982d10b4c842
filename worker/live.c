/* What others can see of a request under way.  Worker. */
#include "live.h"

#include "base64.h"

/* The user of Basic credentials (RFC 7617), and nothing behind the colon: only what holds him is decoded. */
static void put_user(struct pull_texts *t, struct strview authorization)
{
	char decoded[72];
	const size_t needed = (sizeof(t->user) + 2) / 3 * 4;

	if (authorization.n < 6 || !sv_eq_nocase(sv_make(authorization.p, 6), SV("Basic ")))
		return;
	struct strview code = sv_trim(sv_from(authorization, 6));
	if (code.n > needed)
		code.n = needed;
	ssize_t n = base64_decode(code, decoded, sizeof(decoded));
	const char *colon = n > 0 ? memchr(decoded, ':', (size_t)n) : NULL;
	if (colon || n >= (ssize_t)sizeof(t->user))
		sv_copy_part(t->user, sizeof(t->user), sv_make(decoded, colon ? (size_t)(colon - decoded) : (size_t)n));
	explicit_bzero(decoded, sizeof(decoded));
	for (char *p = t->user; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

void live_begin(struct session *s)
{
	const struct request *rq = s->rq;
	const struct route *route = &rq->route;
	struct pull_texts t = { .user = "" };

	sv_copy_part(t.client, sizeof(t.client), sv_str(s->peer_text));
	put_user(&t, http_head_value(&s->sv->scratch, SV("Authorization")));
	sv_copy_part(t.registry, sizeof(t.registry), sv_str(route->registry->name));
	sv_copy_part(t.repository, sizeof(t.repository), route->repository);
	sv_copy_part(t.reference, sizeof(t.reference), route->reference);
	sv_copy_part(t.route, sizeof(t.route), sv_str(stats_route_name(route->kind)));
	sv_copy_part(t.request_id, sizeof(t.request_id), sv_str(rq->id));
	s->pull = pulls_begin(&s->sv->pulls, &t, rq->began_ms);
	s->live = true;
	s->waits_shown = NULL;
	stats_add(&s->sv->stats->in_flight[route->kind], 1);
}

void live_head(struct session *s)
{
	const struct source *source = s->source;

	if (!s->pull)
		return;
	if (s->rq->method == HTTP_HEAD)
		atomic_store_explicit(&s->pull->total, 0, memory_order_relaxed);
	else if (source->framing == HTTP_BODY_LENGTH)
		atomic_store_explicit(&s->pull->total, source->length, memory_order_relaxed);
}

void live_update(struct session *s)
{
	if (!s->live || !s->pull)
		return;
	const char *waits_for = session_waits_for(s);
	atomic_store_explicit(&s->pull->bytes, s->rq->body_bytes, memory_order_relaxed);
	if (waits_for == s->waits_shown)
		return;
	pulls_waits(s->pull, waits_for);
	s->waits_shown = waits_for;
}

void live_end(struct session *s)
{
	const struct request *rq = s->rq;
	struct stats_slot *st = s->sv->stats;

	if (!s->live)
		return;
	pulls_end(&s->sv->pulls, s->pull);
	s->pull = NULL;
	s->live = false;
	stats_sub(&st->in_flight[rq->route.kind], 1);
	stats_observe(&st->duration[rq->route.kind], &stats_scale_ms, loop_now(s->sv->loop) - rq->began_ms);
	if (!rq->head_ms)
		return;
	stats_observe(&st->first_byte[rq->route.kind], &stats_scale_ms, rq->head_ms - rq->began_ms);
	stats_observe(&st->size[rq->route.kind], &stats_scale_bytes, rq->body_bytes);
}
