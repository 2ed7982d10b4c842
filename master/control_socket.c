/* The control socket in the file system: who may stand at its path, its owner, mode and removal.  Master. */
#include "control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>

#define BACKLOG 128

struct owner {
	uid_t uid; /* -1 = as it is */
	gid_t gid;
};

static int find_user(const char *name, struct owner *ret, struct err *reterr)
{
	char space[16384];
	struct passwd pw, *found = NULL;
	int r = getpwnam_r(name, &pw, space, sizeof(space), &found);

	if (r > 0)
		return err_sys(reterr, -r, "cannot look up user %s", name);
	if (!found)
		return err_set(reterr, -ENOENT, "there is no user %s", name);
	*ret = (struct owner){ pw.pw_uid, pw.pw_gid };
	return 0;
}

static int find_group(const char *name, gid_t *ret, struct err *reterr)
{
	char space[16384];
	struct group gr, *found = NULL;
	int r = getgrnam_r(name, &gr, space, sizeof(space), &found);

	if (r > 0)
		return err_sys(reterr, -r, "cannot look up control_group %s", name);
	if (!found)
		return err_set(reterr, -ENOENT, "there is no group %s (control_group)", name);
	*ret = gr.gr_gid;
	return 0;
}

/* Whom the file is for: the user the daemon becomes, else as started.  *o comes in as that. */
static int find_owner(const struct conf_master *c, struct owner *o, struct err *reterr)
{
	int r = 0;

	if (c->user[0] && geteuid() == 0)
		r = find_user(c->user, o, reterr);
	if (r == 0 && c->control_group[0])
		r = find_group(c->control_group, &o->gid, reterr);
	return r;
}

/* /run is empty after a boot.  Failing is no error yet: bind will say what is missing. */
static void make_directory(const char *path, const struct owner *o)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path || !sv_copy(dir, sizeof(dir), sv_make(path, (size_t)(slash - path))))
		return;
	if (mkdir(dir, 0755) == 0 && o->uid != (uid_t)-1)
		(void)!chown(dir, o->uid, (gid_t)-1);
}

/* 0: nobody listens at the socket any more; -EADDRINUSE: somebody does; -errno: cannot tell. */
static int probe(const struct sockaddr_un *at)
{
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN)
		return -EADDRINUSE; /* EAGAIN: its backlog is full, so it is alive */
	return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
}

/* Removes the stale socket that st describes and nothing else: another daemon may have replaced it since. */
static int remove_stale(const char *path, const struct stat *st)
{
	char aside[sizeof(((struct sockaddr_un *)0)->sun_path) + 32];
	struct stat moved;

	(void)snprintf(aside, sizeof(aside), "%s.stale-%ld", path, (long)getpid());
	if (rename(path, aside) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (lstat(aside, &moved) == 0 && (moved.st_dev != st->st_dev || moved.st_ino != st->st_ino)) {
		/* A live one slipped in: back with it; if yet another has come, that one is the live one. */
		if (renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
			(void)unlink(aside);
		return -EADDRINUSE;
	}
	return unlink(aside) < 0 ? -errno : 0;
}

/* Makes sure that nothing stands at the path. */
static int clear_path(const struct sockaddr_un *at, struct err *reterr)
{
	struct stat st;
	int r;

	if (lstat(at->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(reterr, -errno, "control socket %s", at->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(reterr, -EEXIST, "control socket %s: something that is no socket is there; it stays",
		               at->sun_path);
	r = probe(at);
	if (r < 0 && r != -EADDRINUSE)
		return err_sys(reterr, r, "control socket %s: cannot tell whether a daemon listens there", at->sun_path);
	if (r == 0)
		r = remove_stale(at->sun_path, &st);
	if (r == -EADDRINUSE)
		return err_set(reterr, r, "control socket %s: another daemon listens there", at->sun_path);
	if (r < 0)
		return err_sys(reterr, r, "control socket %s: cannot replace the stale one", at->sun_path);
	return 0;
}

/* The mode comes with the file: a chmod by path could be led elsewhere by whoever owns the directory. */
static int bind_with_mode(int fd, const struct sockaddr_un *at, unsigned mode)
{
	const mode_t before = umask(~mode & 0777);
	int r = bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ? -errno : 0;

	(void)umask(before);
	return r;
}

/* Gives the file to those it is for, and remembers which file it is.  Nobody can connect before listen. */
static int hand_over(const struct owner *o, struct control_socket *s)
{
	CLEANUP(close_p) int file = open(s->at.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if ((o->uid != (uid_t)-1 || o->gid != (gid_t)-1) && fchownat(file, "", o->uid, o->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return listen(s->fd, BACKLOG) < 0 ? -errno : 0;
}

int control_socket_open(const struct conf_master *c, struct control_socket *ret, struct err *reterr)
{
	CLEANUP(close_p) int fd = -1;
	struct control_socket s = { .at = { .sun_family = AF_UNIX } };
	struct owner o = { (uid_t)-1, (gid_t)-1 };
	int r = find_owner(c, &o, reterr);

	if (r < 0)
		return r;
	if (!sv_copy(s.at.sun_path, sizeof(s.at.sun_path), sv_str(c->control)))
		return err_set(reterr, -ENAMETOOLONG, "control socket %s: the path is longer than %zu bytes",
		               c->control, sizeof(s.at.sun_path) - 1);
	make_directory(s.at.sun_path, &o);
	r = clear_path(&s.at, reterr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(reterr, -errno, "control socket %s", c->control);
	r = bind_with_mode(fd, &s.at, c->control_mode);
	if (r < 0)
		return err_sys(reterr, r, "cannot bind the control socket %s", c->control);
	s.fd = fd;
	r = hand_over(&o, &s);
	if (r < 0) {
		(void)unlink(s.at.sun_path);
		return err_sys(reterr, r, "cannot give away the control socket %s", c->control);
	}
	*ret = s;
	ret->fd = take_fd(&fd);
	return 0;
}

void control_socket_close(struct control_socket *s)
{
	struct stat st;

	if (s->fd < 0)
		return;
	if (lstat(s->at.sun_path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlink(s->at.sun_path);
	fd_close(&s->fd);
}
