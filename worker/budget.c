/* Descriptors and clients.  Worker. */
#include "budget.h"

#include <sys/resource.h>

static rlim_t least(rlim_t a, rlim_t b)
{
	return a < b ? a : b;
}

struct budget budget_make(struct budget wanted, unsigned held)
{
	const rlim_t others = BUDGET_OTHERS + (rlim_t)held;
	const rlim_t need = (rlim_t)wanted.clients * BUDGET_A_CLIENT + (rlim_t)wanted.pipes * BUDGET_A_PIPE + others;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	if (limit.rlim_cur < need && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
			return wanted;
	}
	if (limit.rlim_cur >= need)
		return wanted;
	const rlim_t left = limit.rlim_cur > others ? limit.rlim_cur - others : 0;
	const rlim_t pipes = least(left / BUDGET_PIPES / BUDGET_A_PIPE, wanted.pipes);
	const rlim_t clients = least((left - pipes * BUDGET_A_PIPE) / BUDGET_A_CLIENT, wanted.clients);
	return (struct budget){ .clients = clients ? (unsigned)clients : 1, .pipes = (unsigned)pipes };
}
