/* Unit test: who may stand at the control socket's path, and what happens to the file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "control_socket.h"

static char dir[] = "/tmp/rr-control-XXXXXX";
static char path[PATH_MAX];

static struct conf_master settings(void)
{
	static char none[] = "";

	return (struct conf_master){ .user = none, .control = path, .control_mode = 0660, .control_group = none };
}

static void use_name(const char *name)
{
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir); /* fails when a test left anything behind */
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_mode;
}

/* A socket file at path; the returned descriptor does not listen yet. */
static int bind_at(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(sv_copy(at.sun_path, sizeof(at.sun_path), sv_str(name)));
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void mode_is_as_set_whatever_the_umask(void **state)
{
	static const unsigned modes[] = { 0600, 0660, 0666 };
	struct conf_master c = settings();

	(void)state;
	use_name("mode");
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct control_socket s = { .fd = -1 };
		const mode_t before = umask(i % 2 ? 0 : 0077);
		c.control_mode = modes[i];
		assert_int_equal(control_socket_open(&c, &s, NULL), 0);
		assert_int_equal(umask(before), i % 2 ? 0 : 0077);
		assert_int_equal(mode_of(path), S_IFSOCK | modes[i]);
		assert_int_equal(fcntl(s.fd, F_GETFD), FD_CLOEXEC);
		assert_true(fcntl(s.fd, F_GETFL) & O_NONBLOCK);
		control_socket_close(&s);
		control_socket_close(&s);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void live_socket_is_refused(void **state)
{
	struct conf_master c = settings();
	struct control_socket first = { .fd = -1 }, second = { .fd = -1 };
	struct err e = { 0 };

	(void)state;
	use_name("live");
	assert_int_equal(control_socket_open(&c, &first, NULL), 0);
	assert_int_equal(control_socket_open(&c, &second, &e), -EADDRINUSE);
	assert_int_equal(second.fd, -1);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(access(path, F_OK), 0);
	control_socket_close(&first);
}

static void live_socket_with_a_full_queue_is_refused(void **state)
{
	struct conf_master c = settings();
	struct control_socket s = { .fd = -1 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)state;
	use_name("full");
	assert_true(sv_copy(at.sun_path, sizeof(at.sun_path), sv_str(path)));
	const int busy = bind_at(path), client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(listen(busy, 0), 0);
	assert_int_equal(connect(client, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(control_socket_open(&c, &s, NULL), -EADDRINUSE);
	close(client);
	close(busy);
	unlink(path);
}

static void stale_socket_is_replaced(void **state)
{
	struct conf_master c = settings();
	struct control_socket s = { .fd = -1 };

	(void)state;
	use_name("stale");
	close(bind_at(path));
	assert_int_equal(control_socket_open(&c, &s, NULL), 0);
	control_socket_close(&s);
}

static void what_is_no_socket_stays(void **state)
{
	struct conf_master c = settings();
	struct control_socket s = { .fd = -1 };
	struct err e = { 0 };

	(void)state;
	use_name("precious");
	const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(control_socket_open(&c, &s, &e), -EEXIST);
	assert_non_null(strstr(e.text, path));
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1);
	unlink(path);

	assert_int_equal(symlink("/nonexistent", path), 0);
	assert_int_equal(control_socket_open(&c, &s, NULL), -EEXIST);
	unlink(path);
}

static void foreign_file_is_not_removed_at_close(void **state)
{
	struct conf_master c = settings();
	struct control_socket s = { .fd = -1 };

	(void)state;
	use_name("ours");
	assert_int_equal(control_socket_open(&c, &s, NULL), 0);
	char old[PATH_MAX + 8];
	(void)snprintf(old, sizeof(old), "%s.old", path);
	assert_int_equal(rename(path, old), 0);
	const int other = bind_at(path);
	control_socket_close(&s);
	assert_int_equal(access(path, F_OK), 0);
	close(other);
	unlink(path);
	unlink(old);
}

static void last_directory_is_made(void **state)
{
	struct conf_master c = settings();
	struct control_socket s = { .fd = -1 };
	struct err e = { 0 };

	(void)state;
	use_name("run/control.sock");
	assert_int_equal(control_socket_open(&c, &s, NULL), 0);
	control_socket_close(&s);
	use_name("run");
	assert_int_equal(rmdir(path), 0);
	use_name("a/b/control.sock");
	assert_int_equal(control_socket_open(&c, &s, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
}

static void long_path_and_unknown_group_are_told(void **state)
{
	struct conf_master c = settings();
	struct control_socket s = { .fd = -1 };
	struct err e = { 0 };
	char group[] = "no-such-group-here";

	(void)state;
	use_name("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
	assert_int_equal(control_socket_open(&c, &s, &e), -ENAMETOOLONG);
	use_name("group");
	c.control_group = group;
	assert_int_equal(control_socket_open(&c, &s, &e), -ENOENT);
	assert_non_null(strstr(e.text, group));
	assert_int_equal(access(path, F_OK), -1);
}

static void file_belongs_to_the_user_it_is_for(void **state)
{
	struct conf_master c = settings();
	struct control_socket s = { .fd = -1 };
	char user[] = "nobody", group[] = "daemon", unknown[] = "no-such-user-here";
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	use_name("owned");
	c.user = user;
	c.control_group = group;
	assert_int_equal(control_socket_open(&c, &s, NULL), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_gid, 1);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	control_socket_close(&s);
	c.user = unknown;
	assert_int_equal(control_socket_open(&c, &s, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mode_is_as_set_whatever_the_umask),
		cmocka_unit_test(live_socket_is_refused),
		cmocka_unit_test(live_socket_with_a_full_queue_is_refused),
		cmocka_unit_test(stale_socket_is_replaced),
		cmocka_unit_test(what_is_no_socket_stays),
		cmocka_unit_test(foreign_file_is_not_removed_at_close),
		cmocka_unit_test(last_directory_is_made),
		cmocka_unit_test(long_path_and_unknown_group_are_told),
		cmocka_unit_test(file_belongs_to_the_user_it_is_for),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
