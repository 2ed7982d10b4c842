/* What a test puts between the daemon and libc (LD_PRELOAD): writes in small pieces, interrupted calls, memory that runs out, a wall clock that is
 * wrong.  All of it off until the test writes into the file that REGRELAY_PRELOAD names (struct knobs, mapped). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct knobs {
	volatile uint32_t most;        /* bytes that one write to a socket takes; 0 = all.  (A short read means an empty socket.) */
	volatile uint32_t interrupts;  /* every so manieth read or write ends with EINTR; 0 = none */
	volatile uint32_t malloc_fails; /* every so manieth allocation fails; 0 = none */
	volatile int32_t clock_s;      /* added to the wall clock */
	volatile uint32_t failed;      /* allocations that failed so far */
};

static struct knobs off, *knobs = &off;
static volatile uint32_t moves, allocations;

__attribute__((constructor)) static void map_knobs(void)
{
	const char *path = getenv("REGRELAY_PRELOAD");
	const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*knobs), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p != MAP_FAILED)
		knobs = p;
	if (fd >= 0)
		(void)close(fd);
}

#define NEXT(type, name) \
	static type next; \
	if (!next) \
		next = (type)dlsym(RTLD_NEXT, name)

static size_t piece(size_t n)
{
	const uint32_t most = knobs->most;

	return most && n > most ? 1 + moves % most : n;
}

/* A signal came first. */
static int is_interrupted(void)
{
	const uint32_t every = knobs->interrupts;

	moves++;
	if (!every || moves % every)
		return 0;
	errno = EINTR;
	return 1;
}

typedef ssize_t recv_fn(int, void *, size_t, int);
ssize_t recv(int fd, void *p, size_t n, int flags)
{
	NEXT(recv_fn *, "recv");
	return is_interrupted() ? -1 : next(fd, p, n, flags);
}

static int is_stream(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

typedef ssize_t sendmsg_fn(int, const struct msghdr *, int);
ssize_t sendmsg(int fd, const struct msghdr *h, int flags)
{
	NEXT(sendmsg_fn *, "sendmsg");
	if (!is_stream(fd) || h->msg_controllen || h->msg_iovlen == 0)
		return next(fd, h, flags);
	if (is_interrupted())
		return -1;
	struct iovec first = h->msg_iov[0];
	if (!knobs->most || first.iov_len == 0)
		return next(fd, h, flags);
	const struct msghdr less = { .msg_iov = &first, .msg_iovlen = 1 };
	first.iov_len = piece(first.iov_len);
	return next(fd, &less, flags);
}

static int is_out_of_memory(void)
{
	const uint32_t every = knobs->malloc_fails;

	if (!every || __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED) % every)
		return 0;
	(void)__atomic_add_fetch(&knobs->failed, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return 1;
}

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	return is_out_of_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return is_out_of_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return n && is_out_of_memory() ? NULL : __libc_realloc(p, n);
}

typedef int clock_fn(clockid_t, struct timespec *);
int clock_gettime(clockid_t which, struct timespec *ret)
{
	NEXT(clock_fn *, "clock_gettime");
	const int r = next(which, ret);

	if (r == 0 && which == CLOCK_REALTIME)
		ret->tv_sec += knobs->clock_s;
	return r;
}
