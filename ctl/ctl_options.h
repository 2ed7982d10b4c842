/* The command line of regctl.  Regctl. */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum ctl_command {
#define C(name, word, help) CTL_##name,
#include "ctl_commands.def"
#undef C
	CTL_COMMANDS
};

struct ctl_options {
	enum ctl_command command;
	const char *socket;
	uint64_t timeout_ms;     /* 0 = not given */
	const char *argument;    /* of log-level, config and doctor; NULL = none */
	const char *file;        /* of config check; NULL = the default */
	const char *docker_config; /* of doctor: a file, or "-"; NULL = none */
	bool json, now, all, dry_run, wait, watch;
};

/* True: *ret says what to do.  False: all is said (help, version on stdout; what is wrong on stderr), and
 * *ret_status is the exit status. */
bool ctl_options_parse(int argc, char **argv, struct ctl_options *ret, int *ret_status);

/* The word that was probably meant by `word`, or NULL. */
const char *ctl_options_suggest(const char *word);

#endif
