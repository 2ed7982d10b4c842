/* SHA-256 (FIPS 180-4) of a piece of memory, as hex.  Any process. */
#ifndef SHA256_H
#define SHA256_H

#include "cleanup.h"
#include "strview.h"

#define SHA256_HEX 65 /* with the terminator */

/* Writes the digest of bytes as lower-case hex into dst[SHA256_HEX].  0; -EIO: the crypto library refused. */
MUST_CHECK int sha256_hex(struct strview bytes, char *dst);

#endif
