/* Listening sockets: opened here or inherited from systemd.  Master. */
#include "listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "exitcode.h"

#define ADMIN_BACKLOG 128

/* What systemd passed and nobody has claimed yet. */
struct inheritance {
	int fd[HERITAGE_LISTENERS * 2];
	unsigned count;
};

static void address_text(const struct sockaddr_storage *sa, char *dst, size_t cap)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)sa;
		(void)inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
		(void)snprintf(dst, cap, "[%s]:%u", host, (unsigned)ntohs(six->sin6_port));
	} else if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)sa;
		(void)inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
		(void)snprintf(dst, cap, "%s:%u", host, (unsigned)ntohs(four->sin_port));
	} else {
		(void)snprintf(dst, cap, "a socket that is neither IPv4 nor IPv6");
	}
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;
		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;
	return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

/* The inherited descriptor bound to that address, taken out of `from`; -1 = none. */
static int inherited_take(struct inheritance *from, const struct conf_address *a)
{
	for (unsigned i = 0; i < from->count; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		if (getsockname(from->fd[i], (struct sockaddr *)&sa, &len) < 0 || !same_address(&sa, &a->sa))
			continue;
		int fd = from->fd[i];
		from->fd[i] = from->fd[--from->count];
		return fd;
	}
	return -1;
}

/* The backlog is the socket unit's own. */
static int inherited_prepare(int fd, struct err *reterr)
{
	int flags = fcntl(fd, F_GETFL);

	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
		return err_set(reterr, -ENOTSOCK, "inherited descriptor %d is not a listening stream socket", fd);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(reterr, -errno, "cannot use inherited descriptor %d", fd);
	return 0;
}

static int socket_for(const struct conf_address *a, const struct sockaddr_storage *sa, socklen_t len, int backlog)
{
	const int on = 1, off = 0;
	CLEANUP(close_p) int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (sa->ss_family == AF_INET6
	    && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, a->dual ? &off : &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)sa, len) < 0 || listen(fd, backlog) < 0)
		return -errno;
	return take_fd(&fd);
}

/* "*" without IPv6 in the kernel is 0.0.0.0. */
static int socket_open(const struct conf_address *a, int backlog)
{
	int fd = socket_for(a, &a->sa, a->len, backlog);

	if (!a->dual || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL))
		return fd;
	struct sockaddr_storage any = { .ss_family = AF_INET };
	struct sockaddr_in *four = (struct sockaddr_in *)&any;
	four->sin_port = ((const struct sockaddr_in6 *)&a->sa)->sin6_port;
	return socket_for(a, &any, sizeof(*four), backlog);
}

/* First every inherited socket finds its address: one that has none must be told before anything is opened. */
static int claim_all(const struct conf_addresses *wanted, struct inheritance *inherited, struct listeners *l,
                     struct err *reterr)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < wanted->count && l->count < HERITAGE_LISTENERS; i++) {
		const struct conf_address *a = &wanted->items[i];
		int fd = inherited_take(inherited, a);
		l->item[l->count++] = (struct listener){ .fd = fd, .inherited = fd >= 0, .address = a };
		if (fd >= 0)
			r = inherited_prepare(fd, reterr);
	}
	return r;
}

static int open_rest(struct listeners *l, int backlog, struct err *reterr)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (l->item[i].inherited)
			continue;
		int fd = socket_open(l->item[i].address, backlog);
		if (fd < 0)
			return err_sys(reterr, fd, "cannot listen on %s", l->item[i].address->text);
		l->item[i].fd = fd;
	}
	return 0;
}

static int inherit(struct inheritance *ret, struct err *reterr)
{
	int n = sd_listen_fds(1);

	*ret = (struct inheritance){ .count = 0 };
	if (n < 0)
		return err_sys(reterr, n, "cannot take over the inherited sockets");
	if ((unsigned)n > ARRAY_LEN(ret->fd))
		return err_set(reterr, -E2BIG, "%d inherited sockets are too many", n);
	for (int i = 0; i < n; i++)
		ret->fd[ret->count++] = SD_LISTEN_FDS_START + i;
	return 0;
}

static int foreign(const struct inheritance *left, struct err *reterr)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(sa);
	char text[80];

	(void)getsockname(left->fd[0], (struct sockaddr *)&sa, &len);
	address_text(&sa, text, sizeof(text));
	return err_set(reterr, -EINVAL, "inherited %s, which is neither in [listen] nor in [admin] address", text);
}

int listeners_open(const struct conf *c, struct listeners *ret_listen, struct listeners *ret_admin, int *ret_exit,
                   struct err *reterr)
{
	struct inheritance inherited;
	int r = inherit(&inherited, reterr);

	ret_listen->count = ret_admin->count = 0;
	*ret_exit = EXITCODE_RESOURCE;
	if (r == 0)
		r = claim_all(&c->listen.address, &inherited, ret_listen, reterr);
	if (r == 0)
		r = claim_all(&c->admin.address, &inherited, ret_admin, reterr);
	if (r == 0 && inherited.count) {
		*ret_exit = EXITCODE_CONFIG;
		r = foreign(&inherited, reterr);
	}
	if (r == 0)
		r = open_rest(ret_listen, (int)c->listen.backlog, reterr);
	if (r == 0)
		r = open_rest(ret_admin, ADMIN_BACKLOG, reterr);
	if (r < 0) {
		listeners_close(ret_listen);
		listeners_close(ret_admin);
	}
	for (unsigned i = 0; i < inherited.count; i++)
		fd_close(&inherited.fd[i]);
	return r;
}

void listeners_close(struct listeners *l)
{
	for (unsigned i = 0; i < l->count; i++)
		fd_close(&l->item[i].fd);
	l->count = 0;
}
