/* SHA-256 by OpenSSL; the one file that includes its digests.  Any process. */
#include "sha256.h"

#include <errno.h>
#include <openssl/evp.h>

int sha256_hex(struct strview bytes, char *dst)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n;

	if (EVP_Digest(bytes.p, bytes.n, sum, &n, EVP_sha256(), NULL) != 1 || n != 32)
		return -EIO;
	for (unsigned i = 0; i < n; i++) {
		dst[2 * i] = digits[sum[i] >> 4];
		dst[2 * i + 1] = digits[sum[i] & 15];
	}
	dst[2 * n] = '\0';
	return 0;
}
