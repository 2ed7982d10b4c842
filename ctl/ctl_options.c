/* The command line of regctl.  Regctl. */
#include "ctl_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "control_api.h"
#include "exitcode.h"
#include "log.h"
#include "num.h"

#define WORD_MAX 16 /* a longer word is no misspelt command */

static const struct {
	const char *word, *help;
} commands[CTL_COMMANDS] = {
#define C(name, word, help) { word, help },
#include "ctl_commands.def"
#undef C
};

/* Single edits (insert, delete, replace, swap neighbours) that turn a into b. */
static unsigned distance(const char *a, const char *b)
{
	const size_t m = strlen(a), n = strlen(b);
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];

	if (m > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= m; i++)
		for (size_t j = 0; j <= n; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]
			    && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[m][n];
}

const char *ctl_options_suggest(const char *word)
{
	const char *found = NULL;
	unsigned best = 3;

	for (size_t i = 0; i < CTL_COMMANDS; i++) {
		const unsigned d = distance(word, commands[i].word);
		if (d < best && d < strlen(word)) {
			best = d;
			found = commands[i].word;
		}
	}
	return found;
}

static void print_usage(FILE *out)
{
	fputs("Usage: regctl [-s SOCKET] [-t TIMEOUT] [--json] COMMAND\n", out);
}

static void print_help(void)
{
	print_usage(stdout);
	fputs("\nAsks the running regrelayd over its control socket.\n\nCommands:\n", stdout);
	for (size_t i = 0; i < CTL_COMMANDS; i++)
		printf("  %-14s%s\n", commands[i].word, commands[i].help);
	fputs("\nOptions:\n"
	      "  -s, --socket SOCKET\n                the daemon's socket (" CONTROL_SOCKET_DEFAULT ")\n"
	      "  -t, --timeout TIMEOUT\n                give up after so long, such as 500ms or 2min (10s; stop,\n"
	      "                reload, undrain, drain --wait and doctor: no limit)\n"
	      "  --json        print the daemon's own answer\n"
	      "  --all         stats: also what is 0\n"
	      "  --now         stop: cut running pulls\n"
	      "  --dry-run     reload: only say what would change\n"
	      "  --wait        drain: until all pulls have ended, telling how far they are\n"
	      "  --watch       pulls, stats: again every second, stats with rates\n"
	      "  --docker-config FILE\n                doctor IMAGE: the pull secret (.dockerconfigjson; - = standard input)\n"
	      "  -h, --help    print this\n"
	      "  -V, --version print the version\n"
	      "\nExit status: 0 done, 1 refused, failed or broken, 2 wrong usage, 4 no permission on the socket,\n"
	      "7 no daemon there, 75 no answer in time, 78 configuration refused.\n"
	      "\nExamples:\n"
	      "  regctl status\n"
	      "  regctl doctor localhost:30085/team/app:1.0\n"
	      "  regctl --json stats | jq .\n"
	      "  regctl -t 2min stop\n", stdout);
}

static bool usage_error(int *ret_status)
{
	print_usage(stderr);
	fputs("Try 'regctl --help'.\n", stderr);
	*ret_status = EXITCODE_USAGE;
	return false;
}

static bool find_command(const char *word, enum ctl_command *ret, int *ret_status)
{
	for (unsigned i = 0; i < CTL_COMMANDS; i++)
		if (strcmp(word, commands[i].word) == 0) {
			*ret = (enum ctl_command)i;
			return true;
		}
	*ret_status = EXITCODE_USAGE;
	const char *meant = ctl_options_suggest(word);
	if (meant)
		fprintf(stderr, "regctl: there is no command '%s'; did you mean '%s'?\n", word, meant);
	else
		fprintf(stderr, "regctl: there is no command '%s'\n", word);
	return usage_error(ret_status);
}

enum { OPT_JSON = 256, OPT_ALL, OPT_NOW, OPT_DRY_RUN, OPT_WAIT, OPT_WATCH, OPT_DOCKER_CONFIG };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "now", no_argument, NULL, OPT_NOW },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "docker-config", required_argument, NULL, OPT_DOCKER_CONFIG },
	{ "socket", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* True: go on with the next one. */
static bool take_option(int c, struct ctl_options *o, int *ret_status)
{
	switch (c) {
	case 's':
		o->socket = optarg;
		return true;
	case 't':
		if (num_duration(sv_str(optarg), &o->timeout_ms) == 0 && o->timeout_ms > 0)
			return true;
		fprintf(stderr, "regctl: -t %s is no duration such as 500ms, 10s or 2min\n", optarg);
		return usage_error(ret_status);
	case OPT_JSON:
		return o->json = true;
	case OPT_ALL:
		return o->all = true;
	case OPT_NOW:
		return o->now = true;
	case OPT_DRY_RUN:
		return o->dry_run = true;
	case OPT_WAIT:
		return o->wait = true;
	case OPT_WATCH:
		return o->watch = true;
	case OPT_DOCKER_CONFIG:
		o->docker_config = optarg;
		return true;
	case 'h':
		print_help();
		*ret_status = EXITCODE_OK;
		return false;
	case 'V':
		puts("regctl (regrelay " PACKAGE_VERSION ")");
		*ret_status = EXITCODE_OK;
		return false;
	default: /* getopt has said what is wrong */
		return usage_error(ret_status);
	}
}

/* An option that means nothing to the command is a mistake that must not pass silently. */
static bool fits_command(const struct ctl_options *o)
{
	if (o->now && o->command != CTL_STOP)
		fputs("regctl: --now belongs to stop\n", stderr);
	else if (o->all && o->command != CTL_STATS)
		fputs("regctl: --all belongs to stats\n", stderr);
	else if (o->dry_run && o->command != CTL_RELOAD)
		fputs("regctl: --dry-run belongs to reload\n", stderr);
	else if (o->wait && o->command != CTL_DRAIN)
		fputs("regctl: --wait belongs to drain\n", stderr);
	else if (o->watch && o->command != CTL_PULLS && o->command != CTL_STATS)
		fputs("regctl: --watch belongs to pulls and stats\n", stderr);
	else if (o->json && o->command == CTL_CONFIG && o->argument)
		fputs("regctl: --json does not belong to config check\n", stderr);
	else if (o->docker_config && (o->command != CTL_DOCTOR || !o->argument))
		fputs("regctl: --docker-config belongs to doctor IMAGE\n", stderr);
	else
		return true;
	return false;
}

static bool is_level(const char *word)
{
	enum log_level ignored;

	if (log_level_parse(sv_str(word), &ignored) == 0)
		return true;
	fprintf(stderr, "regctl: '%s' is none of the levels debug, info, notice, warning, error\n", word);
	return false;
}

/* words[0] is the command. */
static bool take_arguments(int count, char **words, struct ctl_options *o)
{
	const bool check = o->command == CTL_CONFIG && count > 1 && strcmp(words[1], "check") == 0;
	const int most = check ? 3 : o->command == CTL_LOG_LEVEL || o->command == CTL_DOCTOR ? 2 : 1;

	if (count > most) {
		fprintf(stderr, "regctl: %s takes no '%s'\n", words[0], words[most]);
		return false;
	}
	o->argument = most > 1 && count > 1 ? words[1] : NULL;
	o->file = most > 2 && count > 2 ? words[2] : NULL;
	return o->command != CTL_LOG_LEVEL || !o->argument || is_level(o->argument);
}

bool ctl_options_parse(int argc, char **argv, struct ctl_options *ret, int *ret_status)
{
	struct ctl_options o = { .socket = CONTROL_SOCKET_DEFAULT };
	int c;

	optind = 0; /* glibc: begin anew, so that it may be called again */
	while ((c = getopt_long(argc, argv, "s:t:hV", options, NULL)) != -1)
		if (!take_option(c, &o, ret_status))
			return false;
	if (optind == argc) {
		fputs("regctl: a command is missing\n", stderr);
		return usage_error(ret_status);
	}
	if (!find_command(argv[optind], &o.command, ret_status))
		return false;
	if (!take_arguments(argc - optind, argv + optind, &o))
		return usage_error(ret_status);
	if (!fits_command(&o))
		return usage_error(ret_status);
	*ret = o;
	return true;
}
