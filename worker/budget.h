/* How many clients a worker can serve with the descriptors it may open.  Worker. */
#ifndef BUDGET_H
#define BUDGET_H

#define BUDGET_A_CLIENT 2  /* the client's connection, and one upstream */
#define BUDGET_OTHERS   64 /* listeners, channel, eventfds, log, what is accepted while leaving */
#define BUDGET_A_PIPE   2
#define BUDGET_PIPES    16 /* where descriptors are short, pipes get one in so many: without them bodies are copied */

struct budget {
	unsigned clients, pipes;
};

/* Raises the soft limit of descriptors (RLIMIT_NOFILE) towards what so many clients and pipes need, up to the hard limit; how
 * many there can be with it: of clients at least 1.  `held` descriptors are open already for the process' own use, beyond
 * BUDGET_OTHERS. */
struct budget budget_make(struct budget wanted, unsigned held);

#endif
