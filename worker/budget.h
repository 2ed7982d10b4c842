/* How many clients a worker can serve with the descriptors it may open.  Worker. */
#ifndef BUDGET_H
#define BUDGET_H

#define BUDGET_A_CLIENT 2  /* the client's connection, and one upstream */
#define BUDGET_OTHERS   64 /* listeners, channel, eventfds, log, what is accepted while leaving */

/* Raises the soft limit of descriptors (RLIMIT_NOFILE) towards what `wanted` clients need, up to the hard limit; the number of
 * clients that can be served with it, at most wanted and at least 1.  `held` descriptors are open already for the process' own
 * use, beyond BUDGET_OTHERS. */
unsigned budget_clients(unsigned wanted, unsigned held);

#endif
