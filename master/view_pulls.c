/* The live pulls of all workers, for the control API.  Master. */
#include "clock.h"
#include "master_impl.h"

static uint64_t age_ms(const struct pull *p, uint64_t now_ms)
{
	return p->began_ms < now_ms ? now_ms - p->began_ms : 0;
}

static unsigned of_worker(const struct master *m, const struct child *c, struct view_pulls *v)
{
	const struct pulls_table *table = &m->shm->pulls[c->slot.shm_slot];
	unsigned high = pulls_high(table), n = 0;
	uint64_t now = clock_now_ms();
	struct view_pull row = { .slot = c->slot.shm_slot, .pid = c->slot.pid, .generation = c->generation->number };

	for (unsigned i = 0; i < high; i++) {
		if (!pulls_read(table, i, &row.pull))
			continue;
		row.age_ms = age_ms(&row.pull, now);
		v->visit(v, &row);
		n++;
	}
	uint32_t unlisted = atomic_load_explicit(&table->unlisted, memory_order_relaxed);
	v->unlisted += unlisted <= c->generation->conf->listen.max_connections ? unlisted : 0;
	return n;
}

void view_pulls(const struct master *m, struct view_pulls *v)
{
	for (unsigned i = 0; i < SHM_GENERATIONS; i++) {
		const struct generation *g = m->generation[i];
		for (unsigned w = 0; g && w < g->workers; w++)
			if (g->worker[w].slot.pid > 0)
				v->listed += of_worker(m, &g->worker[w], v);
	}
}

struct sum {
	struct view_pulls pulls;
	struct view_progress *progress;
};

static void add(struct view_pulls *v, const struct view_pull *row)
{
	struct view_progress *p = container_of(v, struct sum, pulls)->progress;
	const uint64_t total = row->pull.total;

	p->pulls++;
	if (total != PULLS_UNKNOWN && total > row->pull.bytes && total - row->pull.bytes < UINT64_MAX / 2 - p->bytes_left)
		p->bytes_left += total - row->pull.bytes;
	if (row->age_ms > p->oldest_ms)
		p->oldest_ms = row->age_ms;
}

void view_progress(const struct master *m, struct view_progress *ret)
{
	struct sum sum = { .pulls.visit = add, .progress = ret };

	*ret = (struct view_progress){ 0 };
	view_pulls(m, &sum.pulls);
	ret->pulls += sum.pulls.unlisted;
}
