/* Where log lines go: what the sink does when nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define PATIENCE_S 10
#define LINES      5000 /* of 1 KiB: more than any sink takes */

static int own_stderr, reader;
static _Atomic uint64_t drops;

/* stderr becomes fd; the other end is read by the test. */
static void begin(int fd, int other)
{
	struct err e;

	own_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	reader = other;
	assert_true(own_stderr >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	assert_int_equal(close(fd), 0);
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	atomic_store(&drops, 0);
	log_count_drops(&drops);
	assert_int_equal(log_open(LOG_FORMAT_TEXT, &e), 0);
}

static void end(void)
{
	log_close();
	log_count_drops(NULL);
	assert_int_equal(dup2(own_stderr, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(close(own_stderr) | close(reader), 0);
}

/* Writes more than is taken, and reads what was: whole lines, and all others were counted. */
static void overflow(void)
{
	static char words[1024], got[4096];
	uint64_t lines = 0;
	char last = '\n';
	ssize_t n;

	memset(words, 'w', sizeof(words) - 1);
	(void)alarm(PATIENCE_S); /* a line that blocks ends the test */
	for (unsigned i = 0; i < LINES; i++)
		log_info("%s", words);
	(void)alarm(0);
	while ((n = read(reader, got, sizeof(got))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			lines += got[i] == '\n';
		last = got[n - 1];
	}
	end();
	assert_int_equal(last, '\n');
	assert_true(lines > 0 && lines < LINES);
	assert_int_equal(lines + atomic_load(&drops), LINES);
}

static void a_pipe_that_nobody_reads(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	begin(fd[1], fd[0]);
	overflow();
}

/* One made by another user, before this process became ours, cannot be opened anew. */
static void a_pipe_of_somebody_else_that_nobody_reads(void **state)
{
	const bool root = geteuid() == 0;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(fchmod(fd[1], 0), 0);
	assert_int_equal(root ? seteuid(65534) : 0, 0);
	begin(fd[1], fd[0]);
	assert_int_equal(root ? seteuid(0) : 0, 0);
	assert_int_equal(log_fd(), STDERR_FILENO);
	overflow();
}

/* As the journal gives one to services: StandardError=journal. */
static void a_socket_that_nobody_reads(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	begin(fd[1], fd[0]);
	overflow();
}

/* A reader that is gone must not end us, either. */
static void a_socket_whose_reader_is_gone(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	begin(fd[1], fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
	assert_int_equal(close(fd[0]), 0);
	log_info("a line");
	end();
	assert_int_equal(atomic_load(&drops), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_that_nobody_reads),
		cmocka_unit_test(a_pipe_of_somebody_else_that_nobody_reads),
		cmocka_unit_test(a_socket_that_nobody_reads),
		cmocka_unit_test(a_socket_whose_reader_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
