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

/* Room for one descriptor beside the bytes, aligned as CMSG_FIRSTHDR wants it. */
union passing {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

static void pass(struct msghdr *h, union passing *p, int fd)
{
	memset(p, 0, sizeof(*p));
	h->msg_control = p->space;
	h->msg_controllen = sizeof(p->space);
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int msg_send_fd(int fd, struct msg *m, int passed)
{
	union passing space;
	ssize_t n;

	if (!type_known(m->head.type))
		return -EINVAL;
	m->head.abi = MSG_ABI;
	const size_t size = sizeof(m->head) + spec[m->head.type].size;
	struct iovec part[2] = {
		{ .iov_base = &m->head, .iov_len = sizeof(m->head) },
		{ .iov_base = &m->u, .iov_len = size - sizeof(m->head) },
	};
	struct msghdr h = { .msg_iov = part, .msg_iovlen = 2 };
	if (passed >= 0)
		pass(&h, &space, passed);
	do
		n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return (size_t)n == size ? 0 : -EIO;
}

int msg_send(int fd, struct msg *m)
{
	return msg_send_fd(fd, m, -1);
}

/* The descriptor that came along; -1 = none.  The kernel has closed what did not fit. */
static int passed_fd(struct msghdr *h)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int judge(const struct msg *m, size_t n, const struct msghdr *h, enum msg_side from, uint32_t generation)
{
	if (n < sizeof(m->head) || (h->msg_flags & MSG_TRUNC) || m->head.abi != MSG_ABI
	    || !type_known(m->head.type) || spec[m->head.type].sender != from
	    || n != sizeof(m->head) + spec[m->head.type].size)
		return -EBADMSG;
	return generation != 0 && m->head.generation != generation ? -ESTALE : 1;
}

/* It is shown to people and to the service manager, whose protocol is one of lines. */
static void clean(struct msg_refused *r)
{
	r->reason[MSG_REASON_MAX - 1] = '\0';
	for (char *p = r->reason; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

/* ret_passed NULL: what comes along is closed by the kernel. */
static int receive(int fd, enum msg_side from, uint32_t generation, struct msg *ret, int *ret_passed)
{
	CLEANUP(close_p) int passed = -1;
	union passing space;
	struct msg m;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	struct iovec part[2] = {
		{ .iov_base = &m.head, .iov_len = sizeof(m.head) },
		{ .iov_base = &m.u, .iov_len = sizeof(m.u) },
	};
	struct msghdr h = { .msg_iov = part, .msg_iovlen = 2, .msg_control = ret_passed ? space.space : NULL,
		            .msg_controllen = ret_passed ? CMSG_LEN(sizeof(int)) : 0 }; /* room for one, no more */
	do
		n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : errno == EWOULDBLOCK ? -EAGAIN : -errno;
	passed = passed_fd(&h);
	if (n == 0)
		return 0;
	int r = judge(&m, (size_t)n, &h, from, generation);
	if (r < 0)
		return r;
	if (m.head.type == MSG_REFUSED)
		clean(&m.u.refused);
	*ret = m;
	if (ret_passed)
		*ret_passed = take_fd(&passed);
	return 1;
}

int msg_receive(int fd, enum msg_side from, uint32_t generation, struct msg *ret)
{
	return receive(fd, from, generation, ret, NULL);
}

int msg_receive_fd(int fd, enum msg_side from, uint32_t generation, struct msg *ret, int *ret_passed)
{
	*ret_passed = -1;
	return receive(fd, from, generation, ret, ret_passed);
}

const char *msg_name(unsigned type)
{
	return type_known(type) ? spec[type].name : "unknown";
}
