/* Unit test: the command line of regctl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "control_api.h"
#include "ctl_options.h"
#include "exitcode.h"

#define WORDS 8

static struct ctl_options got;
static int status;

/* Parses "regctl" and the words of line. */
static bool parse(const char *line)
{
	static char text[256]; /* the options point into it */
	char *argv[WORDS + 2] = { NULL }, *rest = text;
	int argc = 0;

	(void)snprintf(text, sizeof(text), "regctl %s", line);
	for (char *word; argc <= WORDS && (word = strsep(&rest, " ")) != NULL;)
		if (*word)
			argv[argc++] = word;
	got = (struct ctl_options){ 0 };
	status = -1;
	return ctl_options_parse(argc, argv, &got, &status);
}

static void commands_are_found(void **state)
{
	static const struct {
		const char *word;
		enum ctl_command command;
	} all[] = { { "status", CTL_STATUS }, { "stats", CTL_STATS }, { "workers", CTL_WORKERS },
		    { "version", CTL_VERSION }, { "stop", CTL_STOP },
		    { "config", CTL_CONFIG }, { "reload", CTL_RELOAD }, { "drain", CTL_DRAIN },
		    { "undrain", CTL_UNDRAIN }, { "pulls", CTL_PULLS }, { "log-level", CTL_LOG_LEVEL },
		    { "doctor", CTL_DOCTOR } };

	(void)state;
	assert_int_equal(ARRAY_LEN(all), CTL_COMMANDS);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_true(parse(all[i].word));
		assert_int_equal(got.command, all[i].command);
		assert_string_equal(got.socket, CONTROL_SOCKET_DEFAULT);
		assert_int_equal(got.timeout_ms, 0);
		assert_false(got.json || got.now || got.all);
	}
}

static void options_stand_before_or_behind_the_command(void **state)
{
	(void)state;
	assert_true(parse("-s /x -t 1min --json stop --now"));
	assert_int_equal(got.command, CTL_STOP);
	assert_int_equal(got.timeout_ms, 60000);
	assert_true(got.json && got.now);
	assert_true(parse("stats --all --json -t 250ms"));
	assert_int_equal(got.timeout_ms, 250);
	assert_true(got.json && got.all);
	assert_true(parse("reload --dry-run"));
	assert_true(got.dry_run);
	assert_true(parse("drain --wait --timeout 5min"));
	assert_true(got.wait);
	assert_int_equal(got.timeout_ms, 300000);
	assert_true(parse("log-level debug"));
	assert_string_equal(got.argument, "debug");
	assert_true(parse("log-level"));
	assert_null(got.argument);
	assert_true(parse("--socket /x pulls --watch"));
	assert_true(got.watch);
	assert_true(parse("config check"));
	assert_string_equal(got.argument, "check");
	assert_null(got.file);
	assert_true(parse("config check a.ini"));
	assert_string_equal(got.file, "a.ini");
	assert_true(parse("doctor"));
	assert_null(got.argument);
	assert_true(parse("doctor localhost:30085/team/app:t1 --docker-config -"));
	assert_string_equal(got.argument, "localhost:30085/team/app:t1");
	assert_string_equal(got.docker_config, "-");
}

static void wrong_usage_is_2(void **state)
{
	static const char *const wrong[] = { "", "nonsense", "status now", "--nonsense status", "-t x status", "-t 0 status",
					     "-t", "status --now", "stop --all", "--json", "doctor a b", "doctor --docker-config x", "status --docker-config x a", "status --watch", "config chek", "config check a b", "reload now",
					     "stop --dry-run", "reload --wait", "log-level debug info",
					     "log-level loud", "log-level debug2", "log-level DEBUG", "log-level info\"x", "config check a.ini --json",
					     "Status" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (parse(wrong[i]))
			fail_msg("accepted: regctl %s", wrong[i]);
		assert_int_equal(status, EXITCODE_USAGE);
	}
}

static void help_and_version_are_0(void **state)
{
	static const char *const good[] = { "--help", "-h", "--version", "-V", "status --help" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_false(parse(good[i]));
		assert_int_equal(status, EXITCODE_OK);
	}
}

static void near_misses_are_suggested(void **state)
{
	(void)state;
	assert_string_equal(ctl_options_suggest("statsu"), "status");
	assert_string_equal(ctl_options_suggest("stauts"), "status");
	assert_string_equal(ctl_options_suggest("worker"), "workers");
	assert_string_equal(ctl_options_suggest("Stop"), "stop");
	assert_string_equal(ctl_options_suggest("verison"), "version");
	assert_string_equal(ctl_options_suggest("relaod"), "reload");
	assert_string_equal(ctl_options_suggest("docter"), "doctor");
	assert_null(ctl_options_suggest("x"));
	assert_null(ctl_options_suggest(""));
	assert_null(ctl_options_suggest("a-word-that-is-much-longer-than-any-command"));
}

/* A file of ctl/ as text; the caller frees it. */
static char *load(const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[512];
	char *text = calloc(1, 65536);

	(void)snprintf(path, sizeof(path), "%s/ctl/%s", top ? top : ".", name);
	FILE *f = fopen(path, "re");
	assert_non_null(text);
	if (!f)
		fail_msg("cannot read %s", path);
	assert_true(fread(text, 1, 65535, f) > 0);
	(void)fclose(f);
	return text;
}

static void man_page_and_completion_name_the_same_commands(void **state)
{
	static const char *const built[] = {
#define C(name, word, help) word,
#include "ctl_commands.def"
#undef C
	};
	CLEANUP(free_p) char *man = load("regctl.1");
	CLEANUP(free_p) char *completion = load("regctl.bash-completion");
	char item[64], list[256] = " commands=\"";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(built); i++) {
		(void)snprintf(item, sizeof(item), "\n.It Cm %s", built[i]);
		assert_non_null(strstr(man, item));
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? " " : "", built[i]);
	}
	assert_non_null(strstr(completion, list));
	assert_int_equal(strstr(completion, list)[strlen(list)], '"');
}

/* Help, usage and complaints would mix with the test's own lines. */
static int silence(void **state)
{
	(void)state;
	return freopen("/dev/null", "w", stderr) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_found),
		cmocka_unit_test(options_stand_before_or_behind_the_command),
		cmocka_unit_test(wrong_usage_is_2),
		cmocka_unit_test(help_and_version_are_0),
		cmocka_unit_test(near_misses_are_suggested),
		cmocka_unit_test(man_page_and_completion_name_the_same_commands),
	};

	return cmocka_run_group_tests(tests, silence, NULL);
}
