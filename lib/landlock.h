/* Landlock: what of the file system and which TCP ports this process can still reach, for good.  Not in all kernels: each
 * part is used where it is there.  kernel documentation, userspace-api/landlock.  Worker and keeper. */
#ifndef LANDLOCK_H
#define LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* The ABI of this kernel, from 1; 0 = it has none, or it is switched off. */
int landlock_abi(void);

struct landlock_rules {
	const char *const *below; /* what lies there may be read and listed, nothing else, or that file read; what is not there is left out */
	unsigned belows;
	const uint16_t *port;     /* may be connected to by TCP (ABI 4) */
	unsigned ports;
	bool any_port;            /* connecting is not restricted */
};

/* Confines the process; no_new_privs must be set.  Binding a TCP port is never allowed (ABI 4), nor are signals and abstract
 * Unix sockets out of it (ABI 6).  0 or -errno with reterr. */
MUST_CHECK int landlock_enter(int abi, const struct landlock_rules *r, struct err *reterr);

#endif
