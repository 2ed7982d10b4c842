/* Base64, strictly: no white space, padding complete (RFC 4648 4), or for URLs and without padding (5).  Any process. */
#ifndef BASE64_H
#define BASE64_H

#include <sys/types.h>

#include "cleanup.h"
#include "strview.h"

/* Decodes text into dst[cap]; the number of bytes, or -EINVAL (not base64), -ENOBUFS (does not fit). */
MUST_CHECK ssize_t base64_decode(struct strview text, char *dst, size_t cap);

/* What base64_encode makes of n bytes, without the terminator. */
#define BASE64_MAX(n) (((n) + 2) / 3 * 4)
/* dst[BASE64_MAX(s.n) + 1], terminated; its length. */
size_t base64_encode(struct strview s, char *dst);

/* For URLs: what base64url_encode makes of n bytes, without the terminator. */
#define BASE64URL_MAX(n) (((n) * 4 + 2) / 3)
/* dst[BASE64URL_MAX(s.n) + 1], terminated; its length. */
size_t base64url_encode(struct strview s, char *dst);
/* As base64_decode; bits beyond the last byte must be 0, so that a text has one encoding only. */
MUST_CHECK ssize_t base64url_decode(struct strview text, char *dst, size_t cap);

#endif
