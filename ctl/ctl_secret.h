/* A pull secret as people have it: a docker configuration, a Secret that kubectl printed, or its base64.  Regctl. */
#ifndef CTL_SECRET_H
#define CTL_SECRET_H

#include <jansson.h>

#include "err.h"

/* Reads file ("-" = standard input, up to 64 KiB).  0: *ret is {"auths": {...}} with all of its keys, but credentials only in
 * entries that may be for the image's host: the others are nobody's business.  The caller's.  -EINVAL, -errno with reterr,
 * which names the file and quotes nothing of it. */
MUST_CHECK int ctl_secret_read(const char *file, const char *image, json_t **ret, struct err *reterr);

#endif
