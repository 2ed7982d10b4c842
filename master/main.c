/* regrelayd: the one file that knows the main functions of all processes. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "exitcode.h"
#include "json_setup.h"
#include "keeper.h"
#include "log.h"
#include "master.h"
#include "options.h"
#include "user.h"
#include "worker.h"

static int complain(struct conf_errors *errors)
{
	for (unsigned i = 0; i < errors->count; i++)
		fprintf(stderr, "%s\n", errors->line[i]);
	conf_errors_free(errors);
	return EXITCODE_CONFIG;
}

/* 0, or the exit status after every mistake was printed. */
static int load(const char *path, struct conf **ret)
{
	struct conf_errors errors;

	return conf_load(path, ret, &errors) == 0 ? EXITCODE_OK : complain(&errors);
}

/* The same, for a configuration that is to be used on this machine. */
static int load_for_use(const char *path, struct conf **ret)
{
	struct conf_errors errors = { NULL, 0 };
	struct conf *c;
	int status = load(path, &c);

	if (status != EXITCODE_OK)
		return status;
	user_check(c, &errors);
	if (errors.count) {
		conf_free(c);
		return complain(&errors);
	}
	*ret = c;
	return EXITCODE_OK;
}

static int test_as(const char *path, const char *user)
{
	struct err why;
	struct conf *again;

	if (user_switch(user, &why) < 0) {
		fprintf(stderr, "%s: user: %s\n", path, why.text);
		return EXITCODE_CONFIG;
	}
	int status = load(path, &again);
	if (status == EXITCODE_OK)
		conf_free(again);
	return status;
}

/* The user that the daemon will be must be able to read what it names: a child becomes it and looks. */
static int test_as_user(const struct conf *c)
{
	if (getuid() != 0 || c->master.user[0] == '\0')
		return EXITCODE_OK;
	pid_t pid = fork();
	if (pid == 0) {
		int status = test_as(c->path, c->master.user);
		fflush(stderr);
		_exit(status);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return EXITCODE_RESOURCE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXITCODE_SOFTWARE;
}

static int test(const char *path)
{
	char warning[PATH_MAX + 100];
	struct conf *c;
	int status = load_for_use(path, &c);

	if (status != EXITCODE_OK)
		return status;
	status = test_as_user(c);
	if (conf_tls_warning(c, clock_wall_ms() / 1000, warning, sizeof(warning)))
		fprintf(stderr, "%s: warning: %s\n", c->path, warning);
	if (status == EXITCODE_OK)
		printf("%s: good (%u %s, %u %s)\n", c->path, c->registries, c->registries == 1 ? "registry" : "registries",
		       c->master.workers, c->master.workers == 1 ? "worker" : "workers");
	conf_free(c);
	return status;
}

static int dump(const char *path)
{
	struct conf *c;
	int status = load(path, &c);

	if (status != EXITCODE_OK)
		return status;
	int r = conf_dump(c, STDOUT_FILENO);
	conf_free(c);
	if (r < 0)
		fprintf(stderr, "regrelayd: cannot write: %s\n", strerror(-r));
	return r < 0 ? EXITCODE_RESOURCE : EXITCODE_OK;
}

static int serve(const char *path)
{
	static const struct master_children children = { worker_main, keeper_main };
	struct conf *c;
	struct err why;
	int status = load_for_use(path, &c);

	if (status != EXITCODE_OK)
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	log_set_process("master");
	if (log_open(c->log.format, &why) < 0) {
		fprintf(stderr, "regrelayd: %s\n", why.text);
		conf_free(c);
		return EXITCODE_RESOURCE;
	}
	return master_run(c, &children);
}

/* The exit status, unless what was to be said could not be written. */
static int printed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("regrelayd: cannot write");
	return status != EXITCODE_OK ? status : EXITCODE_RESOURCE;
}

/* A descriptor 0, 1 or 2 that was closed would become a socket of ours, and get what is meant for standard error. */
static bool fill_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	if (!fill_standard_fds())
		return EXITCODE_RESOURCE;
	json_setup();
	const struct options o = options_parse(argc, argv);

	switch (o.mode) {
	case OPTIONS_SERVE: return serve(o.path);
	case OPTIONS_TEST: return printed(test(o.path));
	case OPTIONS_DUMP: return dump(o.path);
	case OPTIONS_VERSION: printf("regrelayd %s\n", PACKAGE_VERSION); return printed(EXITCODE_OK);
	case OPTIONS_HELP: options_help(); return printed(EXITCODE_OK);
	default: return EXITCODE_USAGE;
	}
}
