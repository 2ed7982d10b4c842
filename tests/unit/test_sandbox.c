/* The sandbox, from within: a child enters it and tries what it must not do, and what it must still be able to do.  What the
 * kernel here has no part for is not tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "sandbox.h"

static char dir[] = "/tmp/regrelay-test-sandbox-XXXXXX";
static char file[64];
static uint16_t open_port, other_port;
static struct sandbox_parts parts;
static _Atomic uint64_t denied;
static int pipe_end[2];

/* --- what is tried: 0 or more = it could be done, else -1 and errno --------------------------------------------- */

static long try_open(void) { return open("/etc/passwd", O_RDONLY); }
static long try_open_in_dir(void) { return open(file, O_RDONLY); }
static long try_open_to_write(void) { return open(file, O_WRONLY); }
static long try_create(void) { return openat(AT_FDCWD, "/tmp/regrelay-test-never", O_CREAT | O_WRONLY, 0600); }
static long try_unlink(void) { return unlink(file); }
static long try_rename(void) { return rename(file, "/tmp/regrelay-test-never"); }
static long try_link(void) { return symlink("/etc/passwd", "/tmp/regrelay-test-never"); }
static long try_mkdir(void) { return mkdir("/tmp/regrelay-test-never", 0700); }
static long try_chmod(void) { return chmod(file, 0777); }
static long try_chdir(void) { return chdir("/"); }
static long try_fork(void) { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static long try_vfork(void) { return syscall(SYS_clone3, NULL, 0); }
static long try_exec(void) { return execl("/bin/true", "true", (char *)NULL); }
static long try_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static long try_udp(void) { return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
static long try_raw(void) { return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static long try_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long try_netlink(void) { return socket(AF_NETLINK, SOCK_RAW, 0); }
static long try_socketpair(void) { int sv[2]; return socketpair(AF_UNIX, SOCK_STREAM, 0, sv); }
static long try_exec_memory(void) { return (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static long try_make_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static long try_ptrace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static long try_read_memory(void)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { &byte, 1 };
	return process_vm_readv(getppid(), &local, 1, &remote, 1, 0);
}
static long try_kill(void) { return kill(getppid(), 0); }
static long try_tgkill(void) { return syscall(SYS_tgkill, getppid(), getppid(), 0); }
/* Whom a descriptor with O_ASYNC signals, and by which signal: fcntl(2). */
static long try_own_signals(void) { return fcntl(pipe_end[0], F_SETOWN, getppid()); }
static long try_set_signal(void) { return fcntl(pipe_end[0], F_SETSIG, SIGKILL); }
static long try_flags(void) { return fcntl(pipe_end[0], F_SETFL, fcntl(pipe_end[0], F_GETFL)); }
static long try_pipe_size(void) { return fcntl(pipe_end[0], F_SETPIPE_SZ, 65536); }
static long try_setuid(void) { return syscall(SYS_setuid, 0); }
static long try_dumpable(void) { return prctl(PR_SET_DUMPABLE, 1); }
static long try_limit(void) { struct rlimit l = { 1, 1 }; return setrlimit(RLIMIT_NOFILE, &l); }
/* Reading limits is allowed: what is to be set is NULL then, in all bits of the pointer. */
static long try_limit_of_another(void)
{
	struct rlimit *l = mmap((void *)(uintptr_t)(1ull << 32), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (l == MAP_FAILED || (uintptr_t)l != 1ull << 32)
		return 0;
	*l = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	return syscall(SYS_prlimit64, getppid(), RLIMIT_CORE, l, NULL);
}
static long try_read_limit(void) { struct rlimit l; return syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &l); }
static long try_mount(void) { return mount("none", "/mnt", "tmpfs", 0, NULL); }
static long try_unshare(void) { return unshare(CLONE_NEWUSER); }
static long try_memfd(void) { return memfd_create("x", 0); }
static long try_inotify(void) { return inotify_init1(0); }
static long try_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0); }
static long try_uring(void) { return syscall(SYS_io_uring_setup, 1, NULL); }
static long try_perf(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static long try_userfault(void) { return syscall(SYS_userfaultfd, 0); }
static long try_keyring(void) { return syscall(SYS_add_key, "user", "x", "y", 1, -1); }
static long try_tcp(void) { return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP); }
static long try_tcp6(void) { return socket(AF_INET6, SOCK_STREAM, 0); }
static long try_pipe(void) { int end[2]; return pipe2(end, O_CLOEXEC | O_NONBLOCK); }
static long try_splice(void)
{
	const ssize_t n = splice(pipe_end[0], NULL, pipe_end[1], NULL, 1, SPLICE_F_NONBLOCK);

	return n == -1 && errno != EPERM ? 0 : n; /* what it makes of one pipe given twice is not the question */
}
static long try_memory(void) { free(malloc(1 << 22)); return 0; }
static long try_bind_udp(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&sa, sizeof(sa));
}

static long connect_to(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
	return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&sa, sizeof(sa));
}
static long try_connect(void) { return connect_to(open_port); }
static long try_connect_elsewhere(void) { return connect_to(other_port); }
/* Landlock's rules for TCP do not hold for what only looks like it. */
static long try_connect_elsewhere_by_mptcp(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(other_port) };
	const int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

	return fd < 0 ? fd : connect(fd, (struct sockaddr *)&sa, sizeof(sa));
}
/* Connecting by sending (TCP Fast Open). */
static long try_send_elsewhere(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(other_port) };
	return sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&sa, sizeof(sa));
}
static long try_sendmsg_elsewhere(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(other_port) };
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	const struct msghdr m = { .msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = &part, .msg_iovlen = 1 };
	return sendmsg(socket(AF_INET, SOCK_STREAM, 0), &m, MSG_FASTOPEN | MSG_NOSIGNAL);
}
static long try_udp_by_name(void) { return socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP); }
static long try_bind(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&sa, sizeof(sa));
}

enum by { SECCOMP, LANDLOCK_FILES, LANDLOCK_PORTS, NOBODY };

static const struct attempt {
	const char *name;
	long (*try)(void);
	enum by worker, keeper; /* by whom it is denied to whom */
} attempts[] = {
	{ "open a file", try_open, SECCOMP, NOBODY },
	{ "open a file elsewhere", try_open_in_dir, SECCOMP, LANDLOCK_FILES },
	{ "open a file to write", try_open_to_write, SECCOMP, SECCOMP },
	{ "create a file", try_create, SECCOMP, SECCOMP },
	{ "unlink", try_unlink, SECCOMP, SECCOMP },
	{ "rename", try_rename, SECCOMP, SECCOMP },
	{ "symlink", try_link, SECCOMP, SECCOMP },
	{ "mkdir", try_mkdir, SECCOMP, SECCOMP },
	{ "chmod", try_chmod, SECCOMP, SECCOMP },
	{ "chdir", try_chdir, SECCOMP, SECCOMP },
	{ "clone", try_fork, SECCOMP, SECCOMP },
	{ "clone3", try_vfork, SECCOMP, SECCOMP },
	{ "execve", try_exec, SECCOMP, SECCOMP },
	{ "a Unix socket", try_unix, SECCOMP, SECCOMP },
	{ "a UDP socket", try_udp, SECCOMP, NOBODY },
	{ "a UDP socket, named so", try_udp_by_name, SECCOMP, NOBODY },
	{ "a raw socket", try_raw, SECCOMP, SECCOMP },
	{ "a packet socket", try_packet, SECCOMP, SECCOMP },
	{ "a netlink socket", try_netlink, SECCOMP, SECCOMP },
	{ "a socket pair", try_socketpair, SECCOMP, SECCOMP },
	{ "memory to execute", try_exec_memory, SECCOMP, SECCOMP },
	{ "memory made executable", try_make_exec, SECCOMP, SECCOMP },
	{ "ptrace", try_ptrace, SECCOMP, SECCOMP },
	{ "another's memory", try_read_memory, SECCOMP, SECCOMP },
	{ "kill", try_kill, SECCOMP, SECCOMP },
	{ "tgkill of another", try_tgkill, SECCOMP, SECCOMP },
	{ "signals of a descriptor to another", try_own_signals, SECCOMP, SECCOMP },
	{ "the signal of a descriptor", try_set_signal, SECCOMP, SECCOMP },
	{ "the flags of a descriptor", try_flags, NOBODY, NOBODY },
	{ "the size of a pipe", try_pipe_size, NOBODY, SECCOMP },
	{ "setuid", try_setuid, SECCOMP, SECCOMP },
	{ "dumpable again", try_dumpable, SECCOMP, SECCOMP },
	{ "setrlimit", try_limit, SECCOMP, SECCOMP },
	{ "prlimit of another", try_limit_of_another, SECCOMP, SECCOMP },
	{ "a limit, to read it", try_read_limit, NOBODY, NOBODY },
	{ "mount", try_mount, SECCOMP, SECCOMP },
	{ "unshare", try_unshare, SECCOMP, SECCOMP },
	{ "memfd", try_memfd, SECCOMP, SECCOMP },
	{ "inotify", try_inotify, SECCOMP, SECCOMP },
	{ "bpf", try_bpf, SECCOMP, SECCOMP },
	{ "io_uring", try_uring, SECCOMP, SECCOMP },
	{ "perf events", try_perf, SECCOMP, SECCOMP },
	{ "userfaultfd", try_userfault, SECCOMP, SECCOMP },
	{ "keys", try_keyring, SECCOMP, SECCOMP },
	{ "TCP", try_tcp, NOBODY, NOBODY },
	{ "TCP over IPv6", try_tcp6, NOBODY, NOBODY },
	{ "a pipe", try_pipe, NOBODY, SECCOMP },
	{ "splice", try_splice, NOBODY, SECCOMP },
	{ "memory", try_memory, NOBODY, NOBODY },
	{ "a configured port", try_connect, NOBODY, NOBODY },
	{ "another port", try_connect_elsewhere, LANDLOCK_PORTS, NOBODY },
	{ "another port by MPTCP", try_connect_elsewhere_by_mptcp, SECCOMP, SECCOMP },
	{ "another port by sendto", try_send_elsewhere, SECCOMP, NOBODY },
	{ "another port by sendmsg", try_sendmsg_elsewhere, SECCOMP, NOBODY },
	{ "bind TCP", try_bind, SECCOMP, LANDLOCK_PORTS },
	{ "bind UDP", try_bind_udp, SECCOMP, NOBODY },
};

/* --- in the child ------------------------------------------------------------------------------------------------ */

static bool is_enforced(enum by by)
{
	switch (by) {
	case SECCOMP: return parts.seccomp;
	case LANDLOCK_FILES: return parts.landlock >= 1;
	case LANDLOCK_PORTS: return parts.landlock >= 4;
	case NOBODY: break;
	}
	return true;
}

/* Prints what is wrong; true when nothing is. */
static bool check(const struct attempt *a, enum sandbox_role role)
{
	const enum by by = role == SANDBOX_WORKER ? a->worker : a->keeper;
	const uint64_t before = denied;

	if (!is_enforced(by))
		return true;
	errno = 0;
	const bool done = a->try() != -1;
	const int error = errno;
	const bool counted = denied > before;
	if (by == NOBODY ? done : !done && error == (by == SECCOMP ? EPERM : EACCES) && (by != SECCOMP || counted))
		return true;
	printf("# %s: %s, %s, %s counted\n", a->name, done ? "could be done" : "failed", strerror(error), counted ? "" : "not");
	return false;
}

static int child(enum sandbox_role role)
{
	const char *below[] = { "/etc", "/nonexistent" };
	const struct sandbox s = {
		.role = role,
		.reach = { .below = below, .belows = role == SANDBOX_KEEPER ? 2 : 0, .port = &open_port, .ports = 1,
		           .any_port = role == SANDBOX_KEEPER },
		.denied = &denied,
	};
	struct err why;
	bool good = true;

	if (sandbox_enter(&s, &parts, &why) < 0) {
		printf("# %s\n", why.text);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
		good &= check(&attempts[i], role);
	if (parts.seccomp && (!sandbox_told() || sandbox_told())) {
		printf("# the last denied call is told once\n");
		good = false;
	}
	(void)fflush(stdout);
	return !good;
}

static void confined(enum sandbox_role role)
{
	int status = 0;

	(void)fflush(stdout);
	const pid_t pid = fork();
	if (pid == 0)
		_exit(child(role));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_worker(void **state)
{
	(void)state;
	confined(SANDBOX_WORKER);
}

static void test_keeper(void **state)
{
	(void)state;
	confined(SANDBOX_KEEPER);
}

/* A confined process that fails an assertion still dies by SIGABRT. */
static void test_abort(void **state)
{
	int status = 0;

	(void)state;
	const pid_t pid = fork();
	if (pid == 0) {
		const struct sandbox s = { .role = SANDBOX_WORKER, .denied = &denied };
		struct err why;
		if (sandbox_enter(&s, &parts, &why) == 0)
			abort();
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* --- outside ------------------------------------------------------------------------------------------------------ */

static uint16_t listen_somewhere(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, n) < 0 || listen(fd, 8) < 0 || getsockname(fd, (struct sockaddr *)&sa, &n) < 0)
		return 0;
	return ntohs(sa.sin_port);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(file, sizeof(file), "%s/file", dir);
	const int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || close(fd) < 0)
		return -1;
	if (pipe2(pipe_end, O_CLOEXEC) < 0)
		return -1;
	open_port = listen_somewhere();
	other_port = listen_somewhere();
	return open_port && other_port ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(file);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_abort),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
