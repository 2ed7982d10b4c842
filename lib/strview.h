/* A borrowed piece of text: pointer and length, not terminated.  Valid as long as what it points into. */
#ifndef STRVIEW_H
#define STRVIEW_H

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct strview {
	const char *p; /* may be NULL when n is 0 */
	size_t n;
};

#define SV(literal)    ((struct strview){ "" literal, sizeof(literal) - 1 })
#define SV_NONE        ((struct strview){ NULL, 0 })
#define SV_FMT         "%.*s"
#define SV_ARG(s)      (int)(s).n, (s).p

static inline struct strview sv_str(const char *s)
{
	return (struct strview){ s, s ? strlen(s) : 0 };
}

static inline struct strview sv_make(const char *p, size_t n)
{
	return (struct strview){ p, n };
}

static inline bool sv_eq(struct strview a, struct strview b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-insensitive, for header names and hosts.  Most of what is compared differs in its length or first byte, or in
 * nothing. */
static inline bool sv_eq_nocase(struct strview a, struct strview b)
{
	if (a.n != b.n || a.n == 0)
		return a.n == b.n;
	return ((a.p[0] ^ b.p[0]) & ~0x20) == 0 && (memcmp(a.p, b.p, a.n) == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool sv_starts(struct strview s, struct strview prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool sv_ends(struct strview s, struct strview suffix)
{
	return s.n >= suffix.n
	       && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* s without its first n bytes; n <= s.n. */
static inline struct strview sv_from(struct strview s, size_t n)
{
	return (struct strview){ s.p + n, s.n - n };
}

/* s without spaces and tabs at both ends (OWS, RFC 9110 5.6.3). */
static inline struct strview sv_trim(struct strview s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = sv_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Cuts the part before the first sep off *s into *ret_part; false when *s is used up.  A text that ends in
 * sep yields an empty last part. */
bool sv_cut(struct strview *s, char sep, struct strview *ret_part);

/* Copies s into dst with a terminator.  True when it fitted; otherwise dst is "". */
bool sv_copy(char *dst, size_t cap, struct strview s);

/* Copies as much of s as fits into dst, with a terminator. */
void sv_copy_part(char *dst, size_t cap, struct strview s);

/* True when needle occurs in s, compared byte by byte. */
bool sv_contains(struct strview s, struct strview needle);

#endif
