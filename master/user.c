/* The switch to an unprivileged user.  Master. */
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#include "conf_key.h"

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

static void complain(const struct conf *c, enum conf_key_index key, const char *what, const char *name, struct conf_errors *errors)
{
	char text[ERR_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "%s: there is no %s %s", conf_keys[key].name, what, name);
	conf_errors_add(errors, c->path, conf_origin(c->origins, CONF_MASTER, 0)[key], text);
}

void user_check(const struct conf *c, struct conf_errors *errors)
{
	const char *user = c->master.user, *group = c->master.control_group;
	struct passwd pw, *known_user = NULL;
	struct group gr, *known_group = NULL;
	char room[16384];

	if (user[0] && getpwnam_r(user, &pw, room, sizeof(room), &known_user) == 0 && !known_user)
		complain(c, CONF_KEY_master_user, "user", user, errors);
	if (group[0] && getgrnam_r(group, &gr, room, sizeof(room), &known_group) == 0 && !known_group)
		complain(c, CONF_KEY_master_control_group, "group", group, errors);
}
