/* Unit test: regctl as a whole, against the control API in another process and against what is none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "control_double.h"
#include "ctl.h"
#include "exitcode.h"

static char dir[] = "/tmp/rr-ctl-XXXXXX";
static char path[64];
static char said[1 << 16], complained[1 << 16]; /* stdout and stderr of the last run */
static pid_t server;

/* The daemon: serves until its view_stop; with deaf it takes no notice of that. */
static int serve(int ready, bool deaf)
{
	struct master m = { .conf = control_double_conf(path), .series = 3 };
	struct control *c = control_open(m.conf, NULL);
	sd_event *e = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_set_level(LOG_LEVEL_ERROR);
	if (!c || sd_event_new(&e) < 0 || control_start(c, e, &m) < 0)
		return 1;
	if (write(ready, "x", 1) != 1)
		return 1;
	while (deaf || m.stops == 0 || control_busy(c))
		if (sd_event_run(e, 1000000) < 0)
			return 1;
	control_close(c);
	sd_event_unref(e);
	return 0;
}

static int start(bool deaf)
{
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		return -1;
	server = fork();
	if (server == 0) {
		close(ready[0]);
		_exit(serve(ready[1], deaf));
	}
	close(ready[1]);
	const ssize_t n = read(ready[0], &byte, 1);
	close(ready[0]);
	return n == 1 ? 0 : -1;
}

static int start_daemon(void **state)
{
	(void)state;
	return start(false);
}

static int start_deaf_daemon(void **state)
{
	(void)state;
	return start(true);
}

static int stop_daemon(void **state)
{
	(void)state;
	if (server > 0) {
		(void)kill(server, SIGKILL);
		(void)waitpid(server, NULL, 0);
	}
	server = 0;
	(void)unlink(path);
	return 0;
}

static void slurp(int fd, char *text, size_t size)
{
	const ssize_t n = pread(fd, text, size - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
}

static int open_output(const char *name)
{
	char file[128];

	(void)snprintf(file, sizeof(file), "%s/%s", dir, name);
	const int fd = open(file, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(unlink(file), 0);
	return fd;
}

/* Runs `regctl -s PATH` and the words of line in a process of its own; its exit status.  out -1 = captured. */
static int regctl_to(int out, uid_t uid, const char *line)
{
	char text[256], *argv[16] = { NULL }, *rest = text;
	int argc = 0, how;
	const int own = open_output("out"), errors = open_output("err");

	(void)snprintf(text, sizeof(text), "regctl -s %s %s", path, line);
	for (char *word; argc < 15 && (word = strsep(&rest, " ")) != NULL;)
		argv[argc++] = word;
	fflush(stdout);
	const pid_t pid = fork();
	if (pid == 0) {
		if (dup2(out >= 0 ? out : own, 1) < 0 || dup2(errors, 2) < 0 || (uid && setuid(uid) < 0))
			_exit(99);
		const int status = ctl_main(argc, argv);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	slurp(own, said, sizeof(said));
	slurp(errors, complained, sizeof(complained));
	close(own);
	close(errors);
	assert_true(WIFEXITED(how));
	return WEXITSTATUS(how);
}

static int regctl(const char *line)
{
	return regctl_to(-1, 0, line);
}

static void pages_are_printed(void **state)
{
	static const char first[] = "use localhost:32137/...  for reg.kyma:25002  path up\n";

	(void)state;
	assert_int_equal(regctl("status"), EXITCODE_OK);
	assert_memory_equal(said, first, sizeof(first) - 1);
	assert_string_equal(complained, "");
	assert_int_equal(regctl("workers"), EXITCODE_OK);
	assert_non_null(strstr(said, "\n1     4712  1"));
	assert_int_equal(regctl("stats"), EXITCODE_OK);
	assert_string_equal(said, "regrelay_0_total{upstream=\"default\"} 17\nregrelay_2_total{upstream=\"default\"} 0.25\n");
	assert_int_equal(regctl("stats --all"), EXITCODE_OK);
	assert_non_null(strstr(said, "regrelay_1_total{upstream=\"default\"} 0\n"));
	assert_int_equal(regctl("version"), EXITCODE_OK);
	assert_non_null(strstr(said, "regrelayd  "));
}

static void json_is_the_daemons_own(void **state)
{
	(void)state;
	assert_int_equal(regctl("--json stats"), EXITCODE_OK);
	assert_string_equal(said, "{\"regrelay_0_total{upstream=\\\"default\\\"}\":17,"
	                          "\"regrelay_1_total{upstream=\\\"default\\\"}\":0,"
	                          "\"regrelay_2_total{upstream=\\\"default\\\"}\":0.25}\n");
}

static void stop_returns_when_the_daemon_is_gone(void **state)
{
	int how;

	(void)state;
	assert_int_equal(regctl("stop"), EXITCODE_OK);
	assert_string_equal(said, "stopped\n");
	assert_int_equal(waitpid(server, &how, WNOHANG), server); /* gone already */
	assert_int_equal(how, 0);
	server = 0;
	assert_int_equal(regctl("status"), EXITCODE_NOT_RUNNING);
	assert_non_null(strstr(complained, path));
	assert_string_equal(said, "");
}

static void stop_gives_up_in_time(void **state)
{
	(void)state;
	assert_int_equal(regctl("-t 2500ms stop --now"), EXITCODE_TIMEOUT);
	assert_non_null(strstr(complained, "still runs"));
	assert_string_equal(said, "");
	assert_int_equal(kill(server, 0), 0);
}

static void nobody_there_is_7(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(regctl("status"), EXITCODE_NOT_RUNNING);
	assert_non_null(strstr(complained, path));
	assert_true(sv_copy(at.sun_path, sizeof(at.sun_path), sv_str(path)));
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	assert_int_equal(regctl("stop"), EXITCODE_NOT_RUNNING);
	assert_int_equal(unlink(path), 0);
}

static void no_right_is_4(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(regctl_to(-1, 65534, "status"), EXITCODE_PERMISSION);
	assert_non_null(strstr(complained, path));
}

static void unwritable_output_is_1(void **state)
{
	const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(regctl_to(full, 0, "status"), EXITCODE_FAILED);
	assert_non_null(strstr(complained, "cannot write"));
	close(full);
}

/* Something else listens: it takes one connection, says `bytes` and hangs up; NULL = it says nothing at all. */
static void impostor(const char *bytes)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[4096];

	assert_true(sv_copy(at.sun_path, sizeof(at.sun_path), sv_str(path)));
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	server = fork();
	if (server == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		const int client = accept(fd, NULL, NULL);
		if (bytes && recv(client, request, sizeof(request), 0) > 0)
			(void)!send(client, bytes, strlen(bytes), MSG_NOSIGNAL);
		if (!bytes)
			pause();
		_exit(0);
	}
	close(fd);
}

static void impostors_are_1(void **state)
{
	static const char *const all[] = {
		"", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}more", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		impostor(all[i]);
		const int status = regctl("status");
		if (status != EXITCODE_FAILED)
			fail_msg("%d for: %s", status, all[i]);
		assert_string_equal(said, "");
		assert_non_null(strstr(complained, path));
		(void)stop_daemon(NULL);
	}
}

static void refusal_is_told(void **state)
{
	(void)state;
	impostor("HTTP/1.1 409 Conflict\r\nContent-Length: 19\r\n\r\n{\"error\":\"not now\"}");
	assert_int_equal(regctl("status"), EXITCODE_FAILED);
	assert_non_null(strstr(complained, "409"));
	assert_non_null(strstr(complained, "not now"));
}

/* As by a daemon that dies, or hangs up on who did not read for a while: the drain goes on, or nobody knows. */
static void a_drain_that_breaks_off_is_not_told_as_its_end(void **state)
{
	static const char lines[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
	                            "{\"progress\":{\"state\":\"draining\",\"pulls\":1,\"bytes_left\":5,\"oldest_s\":1.0}}\n"
	                            "{\"result\":\"ok\",\"ex";
	static const char *const command[] = { "drain --wait", "--json drain --wait" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(command); i++) {
		impostor(lines);
		assert_int_equal(regctl(command[i]), EXITCODE_FAILED);
		assert_string_equal(said, "");
		assert_non_null(strstr(complained, "closed the connection without an answer"));
		(void)stop_daemon(NULL);
	}
}

static void silence_is_75(void **state)
{
	(void)state;
	impostor(NULL);
	assert_int_equal(regctl("-t 100ms status"), EXITCODE_TIMEOUT);
	assert_non_null(strstr(complained, path));
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define WITH_DAEMON(f) cmocka_unit_test_setup_teardown(f, start_daemon, stop_daemon)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(pages_are_printed),
		WITH_DAEMON(json_is_the_daemons_own),
		WITH_DAEMON(stop_returns_when_the_daemon_is_gone),
		cmocka_unit_test_setup_teardown(stop_gives_up_in_time, start_deaf_daemon, stop_daemon),
		cmocka_unit_test(nobody_there_is_7),
		WITH_DAEMON(no_right_is_4),
		WITH_DAEMON(unwritable_output_is_1),
		cmocka_unit_test_teardown(impostors_are_1, stop_daemon),
		cmocka_unit_test_teardown(refusal_is_told, stop_daemon),
		cmocka_unit_test_teardown(a_drain_that_breaks_off_is_not_told_as_its_end, stop_daemon),
		cmocka_unit_test_teardown(silence_is_75, stop_daemon),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
