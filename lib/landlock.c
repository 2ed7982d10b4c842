/* Landlock by its system calls: libc has none, and the constants are newer than the oldest headers we build with.  Worker and
 * keeper. */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CREATE_VERSION 1u

/* File system rights by ABI: 1 has the first 13, 2 adds REFER, 3 TRUNCATE, 5 IOCTL_DEV. */
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR  (1ull << 3)
#define FS_ALL(abi)  ((1ull << ((abi) >= 5 ? 16 : (abi) >= 3 ? 15 : (abi) == 2 ? 14 : 13)) - 1)

#define NET_BIND_TCP    (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)

#define SCOPE_ABSTRACT_UNIX (1ull << 0)
#define SCOPE_SIGNAL        (1ull << 1)

enum { RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };

struct ruleset_attr {
	uint64_t fs, net, scoped; /* shorter in older ABIs */
};

struct path_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

struct port_attr {
	uint64_t allowed, port;
};

int landlock_abi(void)
{
	const long r = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return r > 0 ? (int)r : 0;
}

static int create(int abi, bool any_port)
{
	const struct ruleset_attr attr = {
		.fs = FS_ALL(abi),
		.net = abi < 4 ? 0 : NET_BIND_TCP | (any_port ? 0 : NET_CONNECT_TCP),
		.scoped = abi < 6 ? 0 : SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL,
	};
	const size_t size = abi < 4 ? sizeof(attr.fs) : abi < 6 ? 2 * sizeof(attr.fs) : sizeof(attr);
	const long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0u);

	return fd < 0 ? -errno : (int)fd;
}

static int allow_path(int ruleset, const char *path)
{
	CLEANUP(close_p) int fd = open(path, O_PATH | O_CLOEXEC);
	struct path_attr attr = { .allowed = FS_READ_FILE, .parent_fd = fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		attr.allowed |= FS_READ_DIR;
	return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0u) < 0 ? -errno : 0;
}

static int allow_port(int ruleset, uint16_t port)
{
	struct port_attr attr = { .allowed = NET_CONNECT_TCP, .port = port };

	return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0u) < 0 ? -errno : 0;
}

int landlock_enter(int abi, const struct landlock_rules *rules, struct err *reterr)
{
	CLEANUP(close_p) int ruleset = create(abi, rules->any_port);
	int r = ruleset < 0 ? ruleset : 0;

	for (unsigned i = 0; r == 0 && i < rules->belows; i++)
		r = allow_path(ruleset, rules->below[i]);
	for (unsigned i = 0; r == 0 && abi >= 4 && !rules->any_port && i < rules->ports; i++)
		r = allow_port(ruleset, rules->port[i]);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0u) < 0)
		r = -errno;
	return r < 0 ? err_sys(reterr, r, "Landlock") : 0;
}
