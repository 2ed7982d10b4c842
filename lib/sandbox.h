/* What a child gives up before it meets the network: new privileges, files, programs, and every system call that it has no
 * use for (sandbox_calls.def).  For good, and for all that the process starts.  A call that is denied fails with EPERM and is
 * counted.  Worker and keeper; the master cannot be confined so, for its children are born of it. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "err.h"
#include "landlock.h"

enum sandbox_role { SANDBOX_WORKER, SANDBOX_KEEPER };

struct sandbox {
	enum sandbox_role role;
	struct landlock_rules reach;
	_Atomic uint64_t *denied; /* counts calls that were denied; this process is its only writer */
	bool required;            /* what the kernel lacks is an error */
};

struct sandbox_parts {
	bool seccomp;
	int landlock; /* its ABI; 0 = the kernel has none */
};

/* 0: *ret says which parts hold, all of those that the kernel has.  -EOPNOTSUPP: required, and one is missing.  -errno: one
 * could not be set up.  Both with reterr; the process is confined in part then, and should end. */
MUST_CHECK int sandbox_enter(const struct sandbox *s, struct sandbox_parts *ret, struct err *reterr);

/* The name of the call that was denied last, once; NULL: none since the last time.  Static text. */
const char *sandbox_told(void);

#endif
