/* Scope-bound release: a local that owns something is declared with CLEANUP and handed out with TAKE or
 * take_fd.  Every helper named *_p accepts an empty value.  Any process. */
#ifndef CLEANUP_H
#define CLEANUP_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn)   __attribute__((cleanup(fn)))
#define MUST_CHECK    __attribute__((warn_unused_result))
/* A large local that is written before it is read, however far: it is not cleared beforehand, where the compiler would. */
#if defined __has_attribute
#if __has_attribute(uninitialized)
#define UNCLEARED     __attribute__((uninitialized))
#endif
#endif
#ifndef UNCLEARED
#define UNCLEARED
#endif
#define ARRAY_LEN(a)  (sizeof(a) / sizeof((a)[0]))
#define TAKE(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

/* The struct that holds this member. */
#define container_of(ptr, type, member)                                                            \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

static inline void close_p(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* Closes *fd when it is open and leaves -1 behind: for fds that live in a struct. */
static inline void fd_close(int *fd)
{
	close_p(fd);
	*fd = -1;
}

static inline int take_fd(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}

static inline void free_p(void *p)
{
	free(*(void **)p);
}

#endif
