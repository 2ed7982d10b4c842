/* A borrowed piece of text: pointer and length, not terminated.  Any process. */
#include "strview.h"

bool sv_cut(struct strview *s, char sep, struct strview *ret_part)
{
	if (!s->p)
		return false;
	const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
	if (!at) {
		*ret_part = *s;
		*s = SV_NONE;
		return true;
	}
	*ret_part = sv_make(s->p, (size_t)(at - s->p));
	*s = sv_from(*s, ret_part->n + 1);
	return true;
}

bool sv_copy(char *dst, size_t cap, struct strview s)
{
	dst[0] = '\0';
	if (s.n >= cap)
		return false;
	if (s.n)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return true;
}

void sv_copy_part(char *dst, size_t cap, struct strview s)
{
	if (s.n >= cap)
		s.n = cap - 1;
	if (s.n)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
}

bool sv_contains(struct strview s, struct strview needle)
{
	return needle.n == 0 || (s.n >= needle.n && memmem(s.p, s.n, needle.p, needle.n) != NULL);
}
