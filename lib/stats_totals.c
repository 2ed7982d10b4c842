/* What all slots counted, added up.  Keeper and master. */
#include "stats_totals.h"

/* Slots that never had an owner are left alone: reading them would make the kernel find memory for them. */
static unsigned slots_of(const struct shm *shm)
{
	uint32_t used = atomic_load_explicit(&shm->slots_used, memory_order_relaxed);

	return used > 0 && used < SHM_SLOTS ? used : SHM_SLOTS;
}

static void add_seen(struct stats_seen *seen, const struct stats_upstream *u)
{
	uint64_t success_ms = stats_get(&u->last_success_ms), error_ms = stats_get(&u->last_error_ms);

	if (success_ms > seen->success_ms)
		seen->success_ms = success_ms;
	if (error_ms > seen->error_ms) {
		seen->error_ms = error_ms;
		seen->error = atomic_load_explicit(&u->last_error, memory_order_relaxed);
	}
}

static void add_histogram(struct stats_histogram_totals *t, const struct stats_histogram *h)
{
	for (size_t i = 0; i <= STATS_BOUNDS; i++)
		t->bucket[i] += stats_get(&h->bucket[i]);
	atomic_thread_fence(memory_order_acquire); /* as stats_observe() writes it */
	t->sum += stats_get(&h->sum);
}

static void add_upstream(struct stats_upstream_totals *t, const struct stats_upstream *u)
{
	t->connects += stats_get(&u->connects);
	t->reused += stats_get(&u->reused);
	t->connections += stats_get(&u->connections);
	t->idle += stats_get(&u->idle);
	t->waiting += stats_get(&u->waiting);
	t->breaker_open += stats_get(&u->breaker_open);
	t->breaker_opens += stats_get(&u->breaker_opens);
	for (size_t i = 0; i < STATS_CODE_COUNT; i++)
		t->requests[i] += stats_get(&u->requests[i]);
	for (size_t i = 0; i < REASON_COUNT; i++)
		t->errors[i] += stats_get(&u->errors[i]);
	add_histogram(&t->connect, &u->connect);
	add_seen(&t->seen, u);
}

static void add_route(struct stats_totals *t, const struct stats_slot *slot, size_t route)
{
	for (size_t m = 0; m < STATS_METHODS; m++)
		for (size_t c = 0; c < STATS_CODE_COUNT; c++)
			t->requests[route][m][c] += stats_get(&slot->requests[route][m][c]);
	t->in_flight[route] += stats_get(&slot->in_flight[route]);
	add_histogram(&t->duration[route], &slot->duration[route]);
	add_histogram(&t->first_byte[route], &slot->first_byte[route]);
	add_histogram(&t->size[route], &slot->size[route]);
}

static void add_slot(struct stats_totals *t, const struct stats_slot *slot, const char *const *upstream,
                     unsigned upstreams)
{
	t->cpu_us += stats_get(&slot->cpu_us);
#define COUNTER(field, series, help) t->field += stats_get(&slot->field);
#define GAUGE(field, series, help)   t->field += stats_get(&slot->field);
#include "stats.def"
#undef COUNTER
#undef GAUGE
	for (size_t r = 0; r < ROUTE_COUNT; r++)
		add_route(t, slot, r);
	for (unsigned i = 0; i < upstreams; i++)
		if (upstream[i])
			add_upstream(&t->upstream[i], &slot->upstream[i]);
}

struct stats_seen stats_upstream_seen(const struct shm *shm, unsigned index)
{
	struct stats_seen seen = { 0 };

	for (unsigned i = 0; i < slots_of(shm); i++)
		add_seen(&seen, &shm->slot[i].upstream[index]);
	return seen;
}

void stats_total(const struct shm *shm, const char *const *upstream, unsigned upstreams, struct stats_totals *ret)
{
	*ret = (struct stats_totals){ 0 };
	for (unsigned i = 0; i < slots_of(shm); i++)
		add_slot(ret, &shm->slot[i], upstream, upstreams);
}
