/* Bytes in flight: a window in one piece of memory of fixed size.  One thread. */
#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "num.h"

void bufpool_init(struct bufpool *p, size_t size, unsigned keep)
{
	assert(size >= sizeof(void *));
	*p = (struct bufpool){ .size = size, .keep = keep };
}

void bufpool_done(struct bufpool *p)
{
	while (p->free) {
		void *next;
		memcpy(&next, p->free, sizeof(next));
		free(p->free);
		p->free = next;
	}
	p->spare = 0;
}

int buf_borrow(struct buf *b, struct bufpool *p)
{
	if (b->mem)
		return 0;
	if (p->free) {
		b->mem = p->free;
		memcpy(&p->free, b->mem, sizeof(p->free));
		p->spare--;
	} else {
		b->mem = malloc(p->size);
		if (!b->mem)
			return -ENOMEM;
	}
	if (++p->in_use > p->most)
		p->most = p->in_use;
	b->cap = p->size;
	b->start = b->end = 0;
	return 0;
}

void buf_return(struct buf *b, struct bufpool *p)
{
	if (!b->mem)
		return;
	assert(b->cap == p->size && p->in_use > 0);
	if (p->wipes)
		explicit_bzero(b->mem, b->cap);
	p->in_use--;
	if (p->spare < p->keep) {
		memcpy(b->mem, &p->free, sizeof(p->free));
		p->free = b->mem;
		p->spare++;
	} else {
		free(b->mem);
	}
	*b = (struct buf){ 0 };
}

void buf_wipe(struct buf *b, struct bufpool *p)
{
	if (b->mem)
		explicit_bzero(b->mem, b->cap);
	buf_return(b, p);
}

void buf_compact(struct buf *b)
{
	if (b->start == 0)
		return;
	memmove(b->mem, b->mem + b->start, buf_len(b));
	b->end -= b->start;
	b->start = 0;
}

bool buf_put_number(struct buf *b, uint64_t n)
{
	char digits[NUM_DIGITS];

	return buf_put(b, sv_make(digits, num_put(digits, n)));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf((char *)b->mem + b->end, buf_room(b), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= buf_room(b))
		return false; /* vsnprintf needs one byte for its terminator, so a full fit counts as too long */
	b->end += (size_t)n;
	return true;
}
