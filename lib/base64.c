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
