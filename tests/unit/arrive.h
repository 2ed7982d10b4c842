/* Waits until what was sent over loopback has arrived.
 *
 * As a rule it has when send() or close() returns, for the sender carries it over itself; on a busy machine the kernel leaves that to
 * a thread of its own (ksoftirqd).  The packets of one processor keep their order, so that this one, sent last, is received last. */
#ifndef ARRIVE_H
#define ARRIVE_H

#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ARRIVE_PATIENCE_S 20

/* A socket that is its own peer; the process stays on the processor where it was opened. */
static int arrive_open(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { .tv_sec = ARRIVE_PATIENCE_S };
	socklen_t len = sizeof(at);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), here = sched_getcpu();
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(here < 0 ? 0 : (unsigned)here, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len) | getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

static void arrive(void)
{
	static int fd = -1;
	char byte = 'x';

	if (fd < 0)
		fd = arrive_open();
	assert_int_equal(send(fd, &byte, 1, 0), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
}

#endif
