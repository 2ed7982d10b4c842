/* The command line of regrelayd.  Master. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

#include "conf.h"

static const struct option longs[] = {
	{ "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
	{ "dump", no_argument, NULL, 'T' },         { "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
};

void options_help(void)
{
	printf("usage: regrelayd [-c FILE] [-t | -T] [-V] [-h]\n"
	       "\n"
	       "A pull relay for private container registries; runs in the foreground.\n"
	       "\n"
	       "  -c, --config FILE  the configuration (%s)\n"
	       "  -t, --test         check it and exit: 0 good, 78 bad, every mistake with its line\n"
	       "  -T, --dump         print the effective configuration and where each value comes from\n"
	       "  -V, --version      print the version\n"
	       "  -h, --help         this text\n"
	       "\n"
	       "TERM stops after running pulls have ended, a second TERM, INT or QUIT at once.\n"
	       "See regrelayd(8), regrelay.ini(5), regctl(1).\n",
	       CONF_PATH_DEFAULT);
}

static struct options wrong(const char *why, const char *what)
{
	fprintf(stderr, "regrelayd: %s%s; see regrelayd --help\n", why, what);
	return (struct options){ .mode = OPTIONS_WRONG };
}

struct options options_parse(int argc, char **argv)
{
	struct options o = { .mode = OPTIONS_SERVE };
	int c;

	while ((c = getopt_long(argc, argv, "c:tTVh", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o.path = optarg; continue;
		case 't': o.mode = OPTIONS_TEST; continue;
		case 'T': o.mode = OPTIONS_DUMP; continue;
		case 'V': return (struct options){ .mode = OPTIONS_VERSION };
		case 'h': return (struct options){ .mode = OPTIONS_HELP };
		default: return wrong("wrong usage", ""); /* getopt said what */
		}
	}
	return optind < argc ? wrong("unexpected argument ", argv[optind]) : o;
}
