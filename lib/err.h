/* An error on its way to a person: -errno plus one line of text.  Any process.
 * The function that fails fills it; the caller that knows the context logs or prints it, once. */
#ifndef ERR_H
#define ERR_H

#include "cleanup.h"

#define ERR_TEXT_MAX 512

struct err {
	int code;                /* -errno; 0 = nothing happened yet */
	char text[ERR_TEXT_MAX]; /* one line, no newline, no secrets; cut when too long */
};

/* Fills e (which may be NULL) and returns code, so that `return err_set(e, -EINVAL, ...)` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same, and appends ": " and the system's text for code. */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
