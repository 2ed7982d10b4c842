/* Listening sockets of one configuration: opened here or inherited from systemd.  Master; opened once, shared with the
 * children by fork, never shut down. */
#ifndef LISTENERS_H
#define LISTENERS_H

#include "conf.h"
#include "heritage.h"

struct listener {
	int fd; /* -1 = closed */
	bool inherited;
	const struct conf_address *address; /* lives as long as the configuration */
};

struct listeners {
	struct listener item[HERITAGE_LISTENERS];
	unsigned count;
};

/* Opens all addresses of [listen] and [admin]; takes over what systemd passed (LISTEN_FDS, matched by address).
 * 0: both are filled, CLOEXEC and NONBLOCK.  -errno: both are empty, *ret_exit is the exit status (78: a socket was
 * inherited that is not configured; 71: an address cannot be had) and reterr names the address. */
MUST_CHECK int listeners_open(const struct conf *c, struct listeners *ret_listen, struct listeners *ret_admin,
                              int *ret_exit, struct err *reterr);

/* Closes all; may be called again. */
void listeners_close(struct listeners *l);

#endif
