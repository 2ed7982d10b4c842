/* Base64 (RFC 4648 4), strictly: no white space, padding complete.  Any process. */
#ifndef BASE64_H
#define BASE64_H

#include <sys/types.h>

#include "cleanup.h"
#include "strview.h"

/* Decodes text into dst[cap]; the number of bytes, or -EINVAL (not base64), -ENOBUFS (does not fit). */
MUST_CHECK ssize_t base64_decode(struct strview text, char *dst, size_t cap);

#endif
