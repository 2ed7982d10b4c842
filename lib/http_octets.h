/* The sets of bytes that HTTP's grammar is made of, for all who look at bytes: gate, chunk decoder, writer.  Any
 * process. */
#ifndef HTTP_OCTETS_H
#define HTTP_OCTETS_H

#include <stdbool.h>
#include <stddef.h>

/* Sets that a byte is in; bits of http_octets[byte]. */
enum {
	HTTP_TCHAR = 1,  /* RFC 9110 5.6.2 */
	HTTP_TARGET = 2, /* what a request target may hold: the characters of a URI but '#', RFC 3986 2; not " < > \ ^ ` { | } */
	HTTP_VALUE = 4   /* what a field value or a reason phrase may hold: VCHAR, SP, HTAB and obs-text, RFC 9110 5.5 */
};
extern const unsigned char http_octets[256];

static inline bool http_is_tchar(unsigned char c)
{
	return http_octets[c] & HTTP_TCHAR;
}

static inline bool http_is_value_byte(unsigned char c)
{
	return http_octets[c] & HTTP_VALUE;
}

static inline bool http_is_target_byte(unsigned char c)
{
	return http_octets[c] & HTTP_TARGET;
}

/* How many of the n bytes at p, from the first on, are in that set. */
size_t http_span(const char *p, size_t n, unsigned char set);
/* The same of HTTP_VALUE, eight at a time: most of a head is values. */
size_t http_span_value(const char *p, size_t n);

#endif
