/* Confinement by seccomp and Landlock.  Worker and keeper. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <ucontext.h>

#include "config.h"

#define SOCK_KIND 0xfu /* the type, without SOCK_CLOEXEC and SOCK_NONBLOCK */

enum who { WORKER = 1 << SANDBOX_WORKER, KEEPER = 1 << SANDBOX_KEEPER, BOTH = WORKER | KEEPER };

struct call {
	enum who who;
	int number;
	const char *name;
	bool checked; /* only when (argument & mask) == value */
	unsigned argument;
	uint64_t mask, value;
};

static const struct call calls[] = {
#define CALL(who, name) { who, SCMP_SYS(name), #name, false, 0, 0, 0 },
#define CALL_IF(who, name, argument, mask, value) { who, SCMP_SYS(name), #name, true, argument, (uint64_t)(mask), (uint64_t)(value) },
#include "sandbox_calls.def"
#undef CALL
#undef CALL_IF
};

/* --- what is denied --------------------------------------------------------------------------------------------- */

static _Atomic uint64_t *denied;
static volatile sig_atomic_t last = -1;

#if defined(__x86_64__)
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#endif

#ifdef RESULT
/* The kernel calls it in place of the call, and goes on behind it. */
static void on_denied(int number, siginfo_t *info, void *context)
{
	(void)number;
	atomic_store_explicit(denied, atomic_load_explicit(denied, memory_order_relaxed) + 1, memory_order_relaxed);
	last = info->si_syscall;
	RESULT((ucontext_t *)context) = -EPERM;
}

static int deny(uint32_t *ret_action)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_sigaction = on_denied;
	act.sa_flags = SA_SIGINFO | SA_NODEFER;
	*ret_action = SCMP_ACT_TRAP;
	return sigaction(SIGSYS, &act, NULL) < 0 ? -errno : 0;
}
#else
/* How to answer in the call's place is not known here: the kernel denies, nobody counts. */
static int deny(uint32_t *ret_action)
{
	*ret_action = SCMP_ACT_ERRNO(EPERM);
	return 0;
}
#endif

const char *sandbox_told(void)
{
	static char *name;
	const int number = last;

	if (number < 0)
		return NULL;
	last = -1;
	free(name);
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	return name ? name : "a call without a name";
}

/* --- seccomp ---------------------------------------------------------------------------------------------------- */

/* A socket of that kind, whose protocol is the kind's default or named: Landlock's rules for TCP do not hold for MPTCP. */
static int allow_socket(scmp_filter_ctx filter, struct scmp_arg_cmp domain, int type, int protocol)
{
	const struct scmp_arg_cmp kind = SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_KIND, (scmp_datum_t)type);
	const int protocols[] = { 0, protocol };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(protocols); i++) {
		const struct scmp_arg_cmp same = SCMP_A2(SCMP_CMP_MASKED_EQ, ~0u, (scmp_datum_t)protocols[i]);
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, domain, kind, same);
	}
	return r;
}

static int allow(scmp_filter_ctx filter, const struct call *c, enum sandbox_role role)
{
	const struct scmp_arg_cmp check = { c->argument, SCMP_CMP_MASKED_EQ, c->mask, c->value };

	if (c->number < 0) /* this machine has no such call */
		return 0;
	if (!c->checked)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, c->number, 0);
	if (c->number != SCMP_SYS(socket))
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, c->number, 1, check);
	int r = allow_socket(filter, check, SOCK_STREAM, IPPROTO_TCP);
	if (r == 0 && role == SANDBOX_KEEPER)
		r = allow_socket(filter, check, SOCK_DGRAM, IPPROTO_UDP);
	return r;
}

/* abort() signals its own process, and nobody else's. */
static int allow_abort(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp self = { .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid() };

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, self);
}

static int filter_calls(enum sandbox_role role, struct err *reterr)
{
	uint32_t action = 0;
	int r = deny(&action);
	scmp_filter_ctx filter = r == 0 ? seccomp_init(action) : NULL;

	if (r == 0 && !filter)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(calls); i++)
		if (calls[i].who & (1u << role))
			r = allow(filter, &calls[i], role);
	if (r == 0)
		r = allow_abort(filter);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: calls cost the same */
	if (r == 0)
		r = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return r < 0 ? err_sys(reterr, r, "seccomp") : 0;
}

#ifndef WITH_SANITIZERS
static bool has_seccomp(void)
{
	/* Without a filter: EFAULT where filters are known, EINVAL where not (seccomp(2)). */
	return prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, NULL) < 0 && errno == EFAULT;
}
#endif

/* --- all of it -------------------------------------------------------------------------------------------------- */

static int limit(int what, struct err *reterr)
{
	const struct rlimit none = { 0, 0 };

	return setrlimit((__rlimit_resource_t)what, &none) < 0 ? err_sys(reterr, -errno, "a resource limit") : 0;
}

static int give_up(struct err *reterr)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(reterr, -errno, "no_new_privs");
	int r = limit(RLIMIT_CORE, reterr);

	return r < 0 ? r : limit(RLIMIT_NPROC, reterr);
}

int sandbox_enter(const struct sandbox *s, struct sandbox_parts *ret, struct err *reterr)
{
	*ret = (struct sandbox_parts){ .seccomp = false };
#ifdef WITH_SANITIZERS /* they need what is taken away here */
	const int abi = 0;
	const bool seccomp = false;
#else
	const int abi = landlock_abi();
	const bool seccomp = has_seccomp();
#endif
	tzset(); /* libc reads the time zone at the first use of any clock time */
	int r = give_up(reterr);

	if (r == 0 && s->required && (!seccomp || abi == 0))
		r = err_set(reterr, -EOPNOTSUPP, "sandbox = required, and there is no %s here", seccomp ? "Landlock" : "seccomp");
	if (r == 0 && abi > 0) {
		r = landlock_enter(abi, &s->reach, reterr);
		ret->landlock = abi;
	}
	if (r < 0 || !seccomp)
		return r;
	denied = s->denied;
	r = filter_calls(s->role, reterr);
	ret->seccomp = r == 0;
	return r;
}
