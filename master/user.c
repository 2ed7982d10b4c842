/* The switch to an unprivileged user.  Master. */
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

int user_switch(const char *user, struct err *reterr)
{
	struct passwd entry, *found = NULL;
	char room[16384];

	if (user[0] == '\0')
		return 0;
	int r = getpwnam_r(user, &entry, room, sizeof(room), &found);
	if (r != 0)
		return err_sys(reterr, -r, "cannot look up user %s", user);
	if (!found)
		return err_set(reterr, -ENOENT, "there is no user %s", user);
	if (getuid() == entry.pw_uid && geteuid() == entry.pw_uid)
		return 0;
	if (initgroups(user, entry.pw_gid) < 0 || setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid) < 0
	    || setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid) < 0)
		return err_sys(reterr, -errno, "cannot become user %s", user);
	/* A switch that can be undone is none. */
	if (entry.pw_uid != 0 && setuid(0) == 0)
		return err_set(reterr, -EPERM, "became user %s, but could go back to root", user);
	return 0;
}
