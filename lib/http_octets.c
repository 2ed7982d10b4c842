/* The sets of bytes that HTTP's grammar is made of.  Any process. */
#include "http_octets.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define ALL (HTTP_TCHAR | HTTP_TARGET | HTTP_VALUE)
#define URI (HTTP_TARGET | HTTP_VALUE)
#define TOK (HTTP_TCHAR | HTTP_VALUE)

const unsigned char http_octets[256] = {
	['\t'] = HTTP_VALUE, [' '] = HTTP_VALUE, ['!'] = ALL, ['"'] = HTTP_VALUE, ['#'] = TOK, ['$' ... '\''] = ALL,
	['('] = URI, [')'] = URI, ['*'] = ALL, ['+'] = ALL, [','] = URI, ['-'] = ALL, ['.'] = ALL, ['/'] = URI,
	['0' ... '9'] = ALL, [':'] = URI, [';'] = URI, ['<'] = HTTP_VALUE, ['='] = URI, ['>'] = HTTP_VALUE, ['?'] = URI,
	['@'] = URI, ['A' ... 'Z'] = ALL, ['['] = URI, ['\\'] = HTTP_VALUE, [']'] = URI, ['^'] = TOK, ['_'] = ALL, ['`'] = TOK,
	['a' ... 'z'] = ALL, ['{'] = HTTP_VALUE, ['|'] = TOK, ['}'] = HTTP_VALUE, ['~'] = ALL, [0x80 ... 0xff] = HTTP_VALUE,
};

static bool is_in(char c, unsigned char set)
{
	return http_octets[(unsigned char)c] & set;
}

size_t http_span(const char *p, size_t n, unsigned char set)
{
	size_t i = 0;

	for (; n - i >= 4; i += 4) {
		if (!is_in(p[i], set))
			return i;
		if (!is_in(p[i + 1], set))
			return i + 1;
		if (!is_in(p[i + 2], set))
			return i + 2;
		if (!is_in(p[i + 3], set))
			return i + 3;
	}
	while (i < n && is_in(p[i], set))
		i++;
	return i;
}

#define EACH(byte) (UINT64_MAX / 0xff * (byte)) /* that byte, eight times */

/* The top bits of those of the eight that are below 0x20, or 0x7f.  No byte borrows from or carries into its neighbour: its
 * top bit is set before the one, cleared before the other. */
static uint64_t controls(uint64_t eight)
{
	const uint64_t at_least_0x20 = (eight | EACH(0x80)) - EACH(0x20);
	const uint64_t is_del = (eight & EACH(0x7f)) + EACH(1);

	return (~at_least_0x20 | is_del) & ~eight & EACH(0x80);
}

static uint64_t load_eight(const char *p)
{
	uint64_t eight;

	memcpy(&eight, p, sizeof(eight));
	return le64toh(eight); /* the first byte is the lowest */
}

typedef unsigned char sixteen __attribute__((vector_size(16)));
typedef uint64_t two __attribute__((vector_size(16)));

static bool has_control(const char p[32])
{
	sixteen a, b;

	memcpy(&a, p, sizeof(a));
	memcpy(&b, p + sizeof(a), sizeof(b));
	const two found = (two)((a < 0x20) | (b < 0x20) | (a == 0x7f) | (b == 0x7f));
	return found[0] | found[1];
}

static size_t span_without_controls(const char *p, size_t n)
{
	size_t i = 0;

	while (n - i >= 32 && !has_control(p + i))
		i += 32;
	return i;
}

/* A value that is longer may be a token: from there on thirty-two bytes are looked at together. */
#define LONG 64

size_t http_span_value(const char *p, size_t n)
{
	size_t i = 0;

	while (n - i >= 8) {
		const uint64_t found = controls(load_eight(p + i));
		if (!found) {
			i += 8;
			if (i == LONG)
				i += span_without_controls(p + i, n - i);
			continue;
		}
		i += (size_t)__builtin_ctzll(found) / 8;
		if (p[i] != '\t')
			return i;
		i++;
	}
	while (i < n && is_in(p[i], HTTP_VALUE))
		i++;
	return i;
}
