/* The live pulls of one worker, in shared memory.  Worker and master. */
#include "pulls.h"

#include <string.h>

/* --- the owner's side ---------------------------------------------------------------------------------- */

static uint32_t write_begin(struct pull_entry *e)
{
	/* An owner that died in the middle left an odd number; starting from the next odd one repairs it. */
	uint32_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed) | 1u;

	atomic_store_explicit(&e->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	return seq;
}

static void write_end(struct pull_entry *e, uint32_t seq)
{
	atomic_store_explicit(&e->seq, seq + 1, memory_order_release);
}

void pulls_reset(struct pulls_table *table)
{
	unsigned high = pulls_high(table);

	for (unsigned i = 0; i < high; i++)
		atomic_store_explicit(&table->entry[i].used, 0, memory_order_relaxed);
	atomic_store_explicit(&table->unlisted, 0, memory_order_relaxed);
}

void pulls_init(struct pulls *p, struct pulls_table *table)
{
	pulls_reset(table);
	p->table = table;
	p->frees = PULLS_A_SLOT;
	for (unsigned i = 0; i < PULLS_A_SLOT; i++)
		p->free[i] = (uint16_t)(PULLS_A_SLOT - 1 - i); /* low ones first: memory that was never touched stays so */
}

struct pull_entry *pulls_begin(struct pulls *p, const struct pull_texts *texts, uint64_t now_ms)
{
	if (p->frees == 0) {
		uint32_t n = atomic_load_explicit(&p->table->unlisted, memory_order_relaxed);
		atomic_store_explicit(&p->table->unlisted, n + 1, memory_order_relaxed);
		return NULL;
	}
	unsigned i = p->free[--p->frees];
	struct pull_entry *e = &p->table->entry[i];
	uint32_t seq = write_begin(e);
	e->texts = *texts;
	atomic_store_explicit(&e->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&e->total, PULLS_UNKNOWN, memory_order_relaxed);
	atomic_store_explicit(&e->began_ms, now_ms, memory_order_relaxed);
	write_end(e, seq);
	atomic_store_explicit(&e->used, 1, memory_order_release);
	if (i >= atomic_load_explicit(&p->table->high, memory_order_relaxed))
		atomic_store_explicit(&p->table->high, i + 1, memory_order_release);
	return e;
}

void pulls_end(struct pulls *p, struct pull_entry *e)
{
	if (!e) {
		uint32_t n = atomic_load_explicit(&p->table->unlisted, memory_order_relaxed);
		if (n > 0)
			atomic_store_explicit(&p->table->unlisted, n - 1, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&e->used, 0, memory_order_relaxed);
	p->free[p->frees++] = (uint16_t)(e - p->table->entry);
}

void pulls_waits(struct pull_entry *e, const char *waits_for)
{
	if (!e)
		return;
	uint32_t seq = write_begin(e);
	sv_copy_part(e->texts.waits_for, sizeof(e->texts.waits_for), sv_str(waits_for));
	write_end(e, seq);
}

/* --- the master's side --------------------------------------------------------------------------------- */

unsigned pulls_high(const struct pulls_table *table)
{
	uint32_t high = atomic_load_explicit(&table->high, memory_order_acquire);

	return high < PULLS_A_SLOT ? high : PULLS_A_SLOT;
}

static void terminate(struct pull_texts *t)
{
#define END(field) t->field[sizeof(t->field) - 1] = '\0'
	END(client);
	END(user);
	END(registry);
	END(repository);
	END(reference);
	END(route);
	END(request_id);
	END(waits_for);
#undef END
}

bool pulls_read(const struct pulls_table *table, unsigned i, struct pull *ret)
{
	const struct pull_entry *e = &table->entry[i];

	for (int tries = 0; tries < 100; tries++) {
		if (!atomic_load_explicit(&e->used, memory_order_acquire))
			return false;
		uint32_t before = atomic_load_explicit(&e->seq, memory_order_acquire);
		if (before & 1)
			continue;
		ret->texts = e->texts;
		ret->bytes = atomic_load_explicit(&e->bytes, memory_order_relaxed);
		ret->total = atomic_load_explicit(&e->total, memory_order_relaxed);
		ret->began_ms = atomic_load_explicit(&e->began_ms, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&e->seq, memory_order_relaxed) != before)
			continue;
		terminate(&ret->texts);
		return true;
	}
	return false;
}
