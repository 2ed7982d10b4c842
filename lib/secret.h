/* Small files with secrets: passwords, keys, tokens.  What is read is cleared before its memory is given back.  Any process. */
#ifndef SECRET_H
#define SECRET_H

#include "err.h"
#include "strview.h"

#define SECRET_MAX (64 * 1024) /* bytes of a file */

/* Reads the whole file; *ret is terminated, without white space at its end, and the caller's (secret_free); *ret_n, which
 * may be NULL, its length.  0; -EFBIG, -ENODATA (empty), -EINVAL (a NUL byte, or no file), -errno, with reterr that names
 * the path. */
MUST_CHECK int secret_read(const char *path, char **ret, size_t *ret_n, struct err *reterr);
/* Clears and frees.  NULL is nothing. */
void secret_free(char *s);
/* For CLEANUP. */
static inline void secret_free_p(char **s)
{
	secret_free(*s);
}

/* Where a path of the configuration leads: "credential:NAME" lies below $CREDENTIALS_DIRECTORY (systemd's LoadCredential=),
 * others are what they are.  0; -ENOENT: there is no such directory; -ENAMETOOLONG; with reterr. */
MUST_CHECK int secret_path(const char *written, char *dst, size_t cap, struct err *reterr);
/* Both: reads the file that a path of the configuration leads to. */
MUST_CHECK int secret_read_written(const char *written, char **ret, size_t *ret_n, struct err *reterr);

#endif
