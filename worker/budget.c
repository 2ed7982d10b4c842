/* Descriptors and clients.  Worker. */
#include "budget.h"

#include <sys/resource.h>

unsigned budget_clients(unsigned wanted, unsigned held)
{
	const rlim_t others = BUDGET_OTHERS + (rlim_t)held, need = (rlim_t)wanted * BUDGET_A_CLIENT + others;
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
	const rlim_t can = limit.rlim_cur > others ? (limit.rlim_cur - others) / BUDGET_A_CLIENT : 0;
	return can ? (unsigned)can : 1;
}
