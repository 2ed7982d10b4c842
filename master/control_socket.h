/* The control socket in the file system: who may stand at its path, its owner, mode and removal.  Master. */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

#include <sys/stat.h>
#include <sys/un.h>

#include "conf.h"

struct control_socket {
	int fd;                 /* listening; -1 = none */
	struct sockaddr_un at;
	dev_t dev;              /* of the file we made: only that one is ever removed */
	ino_t ino;
};

/* Binds c->control and listens.  The file's mode is never wider than control_mode, not even for a moment; it
 * belongs to `user` and `control_group` when these are set.  A missing last directory of the path is made.
 * 0; -EADDRINUSE: somebody listens there; -EEXIST: something that is no socket is there; else -errno; reterr
 * names the path.  On failure *ret is untouched and nothing of ours stays behind. */
MUST_CHECK int control_socket_open(const struct conf_master *c, struct control_socket *ret, struct err *reterr);
/* Closes, and removes the file if it is still ours (a failure to remove is tolerated: after the switch of user
 * the directory may not be ours).  Nothing happens when it is closed. */
void control_socket_close(struct control_socket *s);

#endif
