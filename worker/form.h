/* The body of a client's token request, gathered whole because it is checked before anything goes out.  Worker.
 * It holds passwords: the memory is wiped when it goes. */
#ifndef FORM_H
#define FORM_H

#include "http_chunk.h"
#include "http_head.h"

struct form {
	char *mem; /* NULL = nothing yet */
	size_t n, cap;
	size_t left;         /* with a length: bytes still to come */
	bool chunked, ended; /* ended: all of it is there */
	struct chunk chunk;
	const char *why;     /* static text after -EBADMSG */
};

enum { FORM_MORE, FORM_WHOLE };

/* For the body that follows h.  0, -EMSGSIZE (more than TOKEN_FORM_MAX) or -ENOMEM. */
MUST_CHECK int form_begin(struct form *f, const struct http_head *h);
/* Takes bytes of the body; what follows its end is left out.  FORM_MORE, FORM_WHOLE, -EMSGSIZE, -ENOMEM, -EBADMSG. */
MUST_CHECK int form_feed(struct form *f, struct strview bytes);
void form_done(struct form *f);

static inline struct strview form_view(const struct form *f)
{
	return f->mem ? sv_make(f->mem, f->n) : SV_NONE;
}

#endif
