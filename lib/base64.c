/* Base64 by OpenSSL, whose decoder is too kind.  Any process. */
#include "base64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

ssize_t base64_decode(struct strview text, char *dst, size_t cap)
{
	size_t padding = 0;

	if (text.n % 4 != 0 || text.n > INT32_MAX)
		return -EINVAL;
	while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.n - padding; i++)
		if (!text.p[i] || !strchr(ALPHABET, text.p[i]))
			return -EINVAL;
	if (text.n / 4 * 3 > cap) /* the decoder writes whole groups */
		return -ENOBUFS;
	int n = EVP_DecodeBlock((unsigned char *)dst, (const unsigned char *)text.p, (int)text.n);
	return n < (int)padding ? -EINVAL : n - (ssize_t)padding;
}

size_t base64_encode(struct strview s, char *dst)
{
	const int n = EVP_EncodeBlock((unsigned char *)dst, (const unsigned char *)s.p, (int)s.n);

	return n > 0 ? (size_t)n : 0;
}

/* --- for URLs ----------------------------------------------------------------------------------------------------- */

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(struct strview s, char *dst)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		bits = bits << 8 | (unsigned char)s.p[i];
		for (held += 8; held >= 6; held -= 6)
			dst[n++] = url_alphabet[bits >> (held - 6) & 63];
	}
	if (held)
		dst[n++] = url_alphabet[bits << (6 - held) & 63];
	dst[n] = '\0';
	return n;
}

ssize_t base64url_decode(struct strview text, char *dst, size_t cap)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i] ? strchr(url_alphabet, text.p[i]) : NULL;
		if (!at)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)(at - url_alphabet);
		held += 6;
		if (held < 8)
			continue;
		if (n == cap)
			return -ENOBUFS;
		held -= 8;
		dst[n++] = (char)(bits >> held & 255);
	}
	return held >= 6 || (bits & ((1u << held) - 1)) ? -EINVAL : (ssize_t)n;
}
