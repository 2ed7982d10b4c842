/* The sets of bytes that HTTP's grammar is made of.  Any process. */
#include "http_octets.h"

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

size_t http_span(const char *p, size_t n, unsigned char set)
{
	size_t i = 0;

	while (i < n && (http_octets[(unsigned char)p[i]] & set))
		i++;
	return i;
}

#define EACH(byte) (UINT64_MAX / 0xff * (byte)) /* that byte, eight times */

/* Is one of the eight below 0x20, or 0x7f?  A byte less what it is compared with borrows into its top bit, which counts only
 * where it was not set before. */
static bool has_control(uint64_t eight)
{
	const uint64_t del = eight ^ EACH(0x7f);

	return (((eight - EACH(0x20)) & ~eight) | ((del - EACH(1)) & ~del)) & EACH(0x80);
}

size_t http_span_value(const char *p, size_t n)
{
	size_t i = 0;
	uint64_t eight;

	for (; n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, p + i, sizeof(eight));
		if (has_control(eight)) /* it may be a tab */
			break;
	}
	return i + http_span(p + i, n - i, HTTP_VALUE);
}
