/* Listening sockets of one generation: taken over from another, inherited from systemd, or opened.  Master; shared with
 * the children by fork, never shut down.
 *
 * Descriptors of the same address are copies (dup) of one socket with one queue: a reload takes over the queue without a
 * gap, and each generation closes its own copies. */
#ifndef LISTENERS_H
#define LISTENERS_H

#include "conf.h"
#include "heritage.h"

struct listener {
	int fd; /* -1 = closed */
	bool inherited;
	struct conf_address address; /* a copy: listeners outlive configurations */
};

struct listeners {
	struct listener item[2 * HERITAGE_LISTENERS];
	unsigned count;
};

/* Takes over what systemd passed (LISTEN_FDS): CLOEXEC and NONBLOCK.  Once, at the start; the sockets stay here as long
 * as the daemon, so that their queues do.  0 (maybe none) or -errno with reterr. */
MUST_CHECK int listeners_inherit(struct listeners *ret, struct err *reterr);

/* 0 when each inherited socket is one of the configured addresses; -EINVAL with reterr that names the one which is not. */
MUST_CHECK int listeners_expected(const struct listeners *inherited, const struct conf *c, struct err *reterr);

/* Sockets for all of `wanted`: copies of those in `from` (NULL-terminated) with the same address and families, else opened, with that
 * backlog.  0; -errno with reterr that names the address, and *ret is empty. */
MUST_CHECK int listeners_open(const struct conf_addresses *wanted, int backlog, const struct listeners *const *from,
                              struct listeners *ret, struct err *reterr);

/* Closes all; may be called again. */
void listeners_close(struct listeners *l);

#endif
