/* The switch to an unprivileged user: the whole process, for good.  Master, before the first fork. */
#ifndef USER_H
#define USER_H

#include <sys/types.h>

#include "conf.h"
#include "err.h"

/* Groups, gid and uid become those of `user`; "" changes nothing.  0; -errno with reterr (no such user, no right to).
 * Reads the user database: only before the loop runs. */
MUST_CHECK int user_switch(const char *user, struct err *reterr);

/* Adds an error for each of [master] user and control_group that the system does not know.  Reads the user database, too. */
void user_check(const struct conf *c, struct conf_errors *errors);

#endif
