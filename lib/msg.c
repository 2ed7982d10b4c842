/* Messages between master and children over a SOCK_SEQPACKET pair.  Master, worker, keeper. */
#include "msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const struct {
	size_t size;
	enum msg_side sender;
	const char *name;
} spec[MSG_TYPES] = {
#define M(nr, name, who, type) [nr] = { sizeof(type), MSG_FROM_##who, #name },
#include "msg.def"
#undef M
};

int msg_pair(int *ret_master_fd, int *ret_child_fd)
{
	int fd[2];

	*ret_master_fd = *ret_child_fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return -errno;
	*ret_master_fd = fd[0];
	*ret_child_fd = fd[1];
	return 0;
}

static bool type_known(unsigned type)
{
	return type < MSG_TYPES && spec[type].size > 0;
}

int msg_send(int fd, struct msg *m)
{
	ssize_t n;

	if (!type_known(m->head.type))
		return -EINVAL;
	m->head.abi = MSG_ABI;
	const size_t size = sizeof(m->head) + spec[m->head.type].size;
	struct iovec part[2] = {
		{ .iov_base = &m->head, .iov_len = sizeof(m->head) },
		{ .iov_base = &m->u, .iov_len = size - sizeof(m->head) },
	};
	const struct msghdr h = { .msg_iov = part, .msg_iovlen = 2 };
	do
		n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return (size_t)n == size ? 0 : -EIO;
}

int msg_receive(int fd, enum msg_side from, uint32_t generation, struct msg *ret)
{
	struct msg m;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	struct iovec part[2] = {
		{ .iov_base = &m.head, .iov_len = sizeof(m.head) },
		{ .iov_base = &m.u, .iov_len = sizeof(m.u) },
	};
	struct msghdr h = { .msg_iov = part, .msg_iovlen = 2 };
	do
		n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (n == 0)
		return 0;
	if ((size_t)n < sizeof(m.head) || (h.msg_flags & MSG_TRUNC) || m.head.abi != MSG_ABI
	    || !type_known(m.head.type) || spec[m.head.type].sender != from
	    || (size_t)n != sizeof(m.head) + spec[m.head.type].size)
		return -EBADMSG;
	if (generation != 0 && m.head.generation != generation)
		return -ESTALE;
	if (m.head.type == MSG_REFUSED)
		m.u.refused.reason[MSG_REASON_MAX - 1] = '\0';
	*ret = m;
	return 1;
}

const char *msg_name(unsigned type)
{
	return type_known(type) ? spec[type].name : "unknown";
}
