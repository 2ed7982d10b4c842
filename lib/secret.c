/* Small files with secrets.  Any process. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREDENTIAL "credential:"

/* 0 or -errno; *n comes in as room. */
static int read_all(int fd, char *bytes, size_t *n)
{
	size_t have = 0;

	while (have < *n) {
		const ssize_t r = read(fd, bytes + have, *n - have);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		have += (size_t)r;
	}
	*n = have;
	return 0;
}

static size_t without_end(const char *bytes, size_t n)
{
	while (n && memchr(" \t\r\n", bytes[n - 1], 4))
		n--;
	return n;
}

/* All of it: what was read may have NUL bytes. */
static void forget_p(char **bytes)
{
	if (*bytes)
		explicit_bzero(*bytes, SECRET_MAX + 2);
	free(*bytes);
}

int secret_read(const char *path, char **ret, size_t *ret_n, struct err *reterr)
{
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CLEANUP(forget_p) char *bytes = NULL;
	struct stat st;
	size_t n = SECRET_MAX + 1;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(reterr, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(reterr, -EINVAL, "%s: not a file", path);
	bytes = calloc(1, SECRET_MAX + 2);
	if (!bytes)
		return err_sys(reterr, -ENOMEM, "%s", path);
	int r = read_all(fd, bytes, &n);
	if (r < 0)
		return err_sys(reterr, r, "%s", path);
	if (n > SECRET_MAX)
		return err_set(reterr, -EFBIG, "%s: more than %d KiB", path, SECRET_MAX / 1024);
	n = without_end(bytes, n);
	bytes[n] = '\0';
	if (n == 0)
		return err_set(reterr, -ENODATA, "%s: empty", path);
	if (strlen(bytes) != n)
		return err_set(reterr, -EINVAL, "%s: a NUL byte in it", path);
	*ret = TAKE(bytes);
	if (ret_n)
		*ret_n = n;
	return 0;
}

void secret_free(char *s)
{
	if (!s)
		return;
	explicit_bzero(s, strlen(s));
	free(s);
}

int secret_path(const char *written, char *dst, size_t cap, struct err *reterr)
{
	const size_t prefix = sizeof(CREDENTIAL) - 1;
	const char *dir = "", *name = written;

	if (strncmp(written, CREDENTIAL, prefix) == 0) {
		name = written + prefix;
		dir = getenv("CREDENTIALS_DIRECTORY");
		if (!dir || !dir[0])
			return err_set(reterr, -ENOENT, "%s: there is no $CREDENTIALS_DIRECTORY (LoadCredential= of the unit)", written);
	}
	int n = snprintf(dst, cap, "%s%s%s", dir, dir[0] ? "/" : "", name);
	if (n < 0 || (size_t)n >= cap)
		return err_set(reterr, -ENAMETOOLONG, "%s: the path is too long", written);
	return 0;
}

int secret_read_written(const char *written, char **ret, size_t *ret_n, struct err *reterr)
{
	char path[PATH_MAX];
	const int r = secret_path(written, path, sizeof(path), reterr);

	return r < 0 ? r : secret_read(path, ret, ret_n, reterr);
}
