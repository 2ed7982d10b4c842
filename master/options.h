/* The command line of regrelayd.  Master. */
#ifndef OPTIONS_H
#define OPTIONS_H

enum options_mode { OPTIONS_SERVE, OPTIONS_TEST, OPTIONS_DUMP, OPTIONS_VERSION, OPTIONS_HELP, OPTIONS_WRONG };

struct options {
	enum options_mode mode;
	const char *path; /* NULL = the default file */
};

/* Reads argv.  OPTIONS_WRONG: what is wrong was printed to stderr. */
struct options options_parse(int argc, char **argv);
/* The usage text, to stdout. */
void options_help(void);

#endif
