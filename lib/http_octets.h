/* The sets of bytes that HTTP's grammar is made of, for all who look at bytes: gate, chunk decoder, writer.  Any
 * process. */
#ifndef HTTP_OCTETS_H
#define HTTP_OCTETS_H

#include <stdbool.h>

/* tchar, RFC 9110 5.6.2 */
static inline bool http_is_tchar(unsigned char c)
{
	/* One bit per byte below 0x80: ! # $ % & ' * + - . digits A-Z ^ _ ` a-z | ~ */
	static const unsigned int set[4] = { 0, 0x03ff6cfau, 0xc7fffffeu, 0x57ffffffu };

	return c < 0x80 && (set[c >> 5] >> (c & 31) & 1);
}

/* What a field value or a reason phrase may hold: VCHAR, SP, HTAB and obs-text, RFC 9110 5.5 */
static inline bool http_is_value_byte(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

/* What a request target may hold: the characters of a URI but '#', RFC 3986 2.  Not " < > \ ^ ` { | } */
static inline bool http_is_target_byte(unsigned char c)
{
	static const unsigned int set[4] = { 0, 0xaffffff2u, 0xafffffffu, 0x47fffffeu };

	return c < 0x80 && (set[c >> 5] >> (c & 31) & 1);
}

#endif
