/* The switch to an unprivileged user: the whole process, for good.  Master, before the first fork. */
#ifndef USER_H
#define USER_H

#include <sys/types.h>

#include "err.h"

/* Groups, gid and uid become those of `user`; "" changes nothing.  0; -errno with reterr (no such user, no right to).
 * Reads the user database: only before the loop runs. */
MUST_CHECK int user_switch(const char *user, struct err *reterr);

#endif
