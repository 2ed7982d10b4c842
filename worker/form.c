/* The body of a token request.  Worker. */
#include "form.h"

#include <errno.h>
#include <string.h>

#include "token.h"

#define FIRST_BYTES 1024

/* Not realloc: the old memory would keep what was in it. */
static int reserve(struct form *f, size_t n)
{
	size_t cap = f->cap ? f->cap : FIRST_BYTES;

	if (n > TOKEN_FORM_MAX)
		return -EMSGSIZE;
	if (n <= f->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	char *mem = malloc(cap);
	if (!mem)
		return -ENOMEM;
	if (f->n)
		memcpy(mem, f->mem, f->n);
	if (f->mem)
		explicit_bzero(f->mem, f->cap);
	free(f->mem);
	f->mem = mem;
	f->cap = cap;
	return 0;
}

int form_begin(struct form *f, const struct http_head *h)
{
	*f = (struct form){ .chunked = h->framing == HTTP_BODY_CHUNKED };
	chunk_init(&f->chunk);
	if (f->chunked)
		return 0;
	if (h->framing == HTTP_BODY_LENGTH && h->content_length > TOKEN_FORM_MAX)
		return -EMSGSIZE;
	f->left = h->framing == HTTP_BODY_LENGTH ? (size_t)h->content_length : 0;
	f->ended = f->left == 0;
	return 0;
}

static int append(struct form *f, struct strview bytes)
{
	int r = reserve(f, f->n + bytes.n);

	if (r < 0)
		return r;
	if (bytes.n)
		memcpy(f->mem + f->n, bytes.p, bytes.n);
	f->n += bytes.n;
	return 0;
}

static int feed_chunks(struct form *f, struct strview bytes)
{
	while (bytes.n && !f->ended) {
		struct strview data;
		size_t used;
		int r = chunk_feed(&f->chunk, bytes.p, bytes.n, &used, &data);
		if (r < 0) {
			f->why = f->chunk.why;
			return r;
		}
		f->ended = r == 1;
		r = append(f, data);
		if (r < 0)
			return r;
		bytes = sv_from(bytes, used);
	}
	return f->ended ? FORM_WHOLE : FORM_MORE;
}

int form_feed(struct form *f, struct strview bytes)
{
	if (f->chunked)
		return feed_chunks(f, bytes);
	if (bytes.n > f->left)
		bytes.n = f->left;
	int r = append(f, bytes);
	if (r < 0)
		return r;
	f->left -= bytes.n;
	f->ended = f->left == 0;
	return f->ended ? FORM_WHOLE : FORM_MORE;
}

void form_done(struct form *f)
{
	if (f->mem)
		explicit_bzero(f->mem, f->cap);
	free(f->mem);
	*f = (struct form){ .mem = NULL };
}
