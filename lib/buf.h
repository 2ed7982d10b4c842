/* Bytes in flight: a window in one piece of memory of fixed size.  Always: start <= end <= cap.
 *   [0,start) gone   [start,end) held   [end,cap) room
 * The memory comes from a pool of the process and goes back when the buffer is idle, so that a thousand
 * waiting connections hold none.  One thread. */
#ifndef BUF_H
#define BUF_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cleanup.h"
#include "strview.h"

struct bufpool {
	size_t size;     /* of every piece */
	unsigned spare;  /* pieces kept */
	unsigned keep;   /* at most so many */
	unsigned in_use; /* pieces out */
	unsigned most;   /* of in_use, since whoever looks at it set it back */
	bool wipes;      /* what is returned is cleared: a process' own pool for secrets */
	void *free;      /* chain through the first bytes of each */
};

struct buf {
	uint8_t *mem; /* NULL = nothing held */
	size_t cap, start, end;
};

void bufpool_init(struct bufpool *p, size_t size, unsigned keep);
void bufpool_done(struct bufpool *p);

/* Gives b memory from p when it has none.  0 or -ENOMEM. */
MUST_CHECK int buf_borrow(struct buf *b, struct bufpool *p);
/* Returns b's memory to p (nothing when it has none); the bytes held are lost. */
void buf_return(struct buf *b, struct bufpool *p);

/* The same for a secret: the memory is cleared first. */
void buf_wipe(struct buf *b, struct bufpool *p);

static inline bool buf_sane(const struct buf *b)
{
	return b->start <= b->end && b->end <= b->cap && (b->mem != NULL || b->cap == 0);
}

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline size_t buf_room(const struct buf *b)
{
	return b->cap - b->end;
}

/* The bytes held.  Borrowed; valid until the next call on b that is not const. */
static inline struct strview buf_view(const struct buf *b)
{
	return b->mem ? sv_make((const char *)b->mem + b->start, b->end - b->start) : SV_NONE;
}

static inline uint8_t *buf_tail(struct buf *b)
{
	return b->mem + b->end;
}

/* n bytes were written at buf_tail. */
static inline void buf_filled(struct buf *b, size_t n)
{
	assert(n <= buf_room(b));
	b->end += n;
}

static inline void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

static inline void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

/* Moves what is held to the front, so that all room is at the tail.  Moves every pointer into b. */
void buf_compact(struct buf *b);

/* Appends all of s or nothing.  False when there is no room.  Most are literals, whose copy is a store or two here. */
MUST_CHECK static inline bool buf_put(struct buf *b, struct strview s)
{
	if (s.n > buf_room(b))
		return false;
	if (s.n)
		memcpy(buf_tail(b), s.p, s.n);
	b->end += s.n;
	return true;
}

/* Appends n in decimal, all or nothing.  False when there is no room. */
MUST_CHECK bool buf_put_number(struct buf *b, uint64_t n);
/* Appends formatted text, all or nothing.  False when there is no room. */
MUST_CHECK bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
