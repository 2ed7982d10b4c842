/* Listening sockets: opened here or inherited from systemd.  Master. */
#include "listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

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

/* "*" is also the 0.0.0.0 that somebody opened for us, or that it became where there is no IPv6. */
static bool is_at(const struct conf_address *wanted, const struct sockaddr_storage *have)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)have;

	if (wanted->dual && have->ss_family == AF_INET)
		return four->sin_addr.s_addr == htonl(INADDR_ANY)
		       && four->sin_port == ((const struct sockaddr_in6 *)&wanted->sa)->sin6_port;
	return same_address(&wanted->sa, have);
}

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

int listeners_inherit(struct listeners *ret, struct err *reterr)
{
	int n = sd_listen_fds(1);

	ret->count = 0;
	if (n < 0)
		return err_sys(reterr, n, "cannot take over the inherited sockets");
	if ((unsigned)n > ARRAY_LEN(ret->item))
		return err_set(reterr, -E2BIG, "%d inherited sockets are too many", n);
	for (int i = 0; i < n; i++) {
		struct listener *l = &ret->item[ret->count++];
		*l = (struct listener){ .fd = SD_LISTEN_FDS_START + i, .inherited = true };
		int r = inherited_prepare(l->fd, reterr);
		l->address.len = sizeof(l->address.sa);
		if (r == 0 && getsockname(l->fd, (struct sockaddr *)&l->address.sa, &l->address.len) < 0)
			r = err_sys(reterr, -errno, "cannot tell the address of inherited descriptor %d", l->fd);
		if (r < 0) {
			listeners_close(ret);
			return r;
		}
		address_text(&l->address.sa, l->address.text, sizeof(l->address.text));
	}
	return 0;
}

static bool is_wanted(const struct conf_addresses *wanted, const struct conf_address *a)
{
	for (unsigned i = 0; i < wanted->count; i++)
		if (is_at(&wanted->items[i], &a->sa))
			return true;
	return false;
}

int listeners_expected(const struct listeners *inherited, const struct conf *c, struct err *reterr)
{
	for (unsigned i = 0; i < inherited->count; i++) {
		const struct conf_address *a = &inherited->item[i].address;
		if (!is_wanted(&c->listen.address, a) && !is_wanted(&c->admin.address, a))
			return err_set(reterr, -EINVAL, "inherited %s, which is neither in [listen] nor in [admin] address", a->text);
	}
	return 0;
}

/* One of our own takes the families that it was opened for, and stays so. */
static const struct listener *find(const struct listeners *const *from, const struct conf_address *a)
{
	for (; *from; from++)
		for (unsigned i = 0; i < (*from)->count; i++) {
			const struct listener *l = &(*from)->item[i];
			if (l->fd >= 0 && is_at(a, &l->address.sa) && (l->inherited || l->address.dual == a->dual))
				return l;
		}
	return NULL;
}

/* A copy of the socket; its backlog follows the configuration unless it is the service manager's. */
static int take_over(const struct listener *l, int backlog)
{
	int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0 || l->inherited || listen(fd, backlog) == 0)
		return fd < 0 ? -errno : fd;
	int error = -errno;
	(void)close(fd);
	return error;
}

static unsigned port_of(const struct sockaddr_storage *sa)
{
	return ntohs(sa->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port : ((const struct sockaddr_in *)sa)->sin_port);
}

static bool is_any(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)sa)->sin6_addr)
	                                 : ((const struct sockaddr_in *)sa)->sin_addr.s_addr == htonl(INADDR_ANY);
}

/* A socket of our own that has the port on an address which covers this one, or the other way round; NULL = none. */
static const char *find_rival(const struct listeners *l, const struct conf_address *a)
{
	for (unsigned i = 0; i < l->count; i++) {
		const struct conf_address *have = &l->item[i].address;
		if (l->item[i].fd >= 0 && port_of(&have->sa) == port_of(&a->sa) && (is_any(&have->sa) || is_any(&a->sa)))
			return have->text;
	}
	return NULL;
}

static int refuse(const struct conf_address *a, int error, const struct listeners *const *from, const struct listeners *made,
                  struct err *reterr)
{
	const char *rival = find_rival(made, a);

	for (; !rival && *from; from++)
		rival = find_rival(*from, a);
	if (error == -EADDRINUSE && rival)
		return err_sys(reterr, error, "cannot listen on %s beside this daemon's own %s", a->text, rival);
	return err_sys(reterr, error, "cannot listen on %s", a->text);
}

int listeners_open(const struct conf_addresses *wanted, int backlog, const struct listeners *const *from,
                   struct listeners *ret, struct err *reterr)
{
	ret->count = 0;
	for (unsigned i = 0; i < wanted->count && ret->count < HERITAGE_LISTENERS; i++) {
		const struct conf_address *a = &wanted->items[i];
		const struct listener *there = find(from, a);
		int fd = there ? take_over(there, backlog) : socket_open(a, backlog);
		if (fd < 0) {
			(void)refuse(a, fd, from, ret, reterr);
			listeners_close(ret);
			return fd;
		}
		ret->item[ret->count++] = (struct listener){ .fd = fd, .inherited = there && there->inherited, .address = *a };
	}
	return 0;
}

void listeners_close(struct listeners *l)
{
	for (unsigned i = 0; i < l->count; i++)
		fd_close(&l->item[i].fd);
	l->count = 0;
}
