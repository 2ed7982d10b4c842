/* The configuration file as it is now, read aside and compared with what runs.  Master. */
#include "candidate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct comparison {
	struct conf_diff diff;
	struct candidate *candidate;
};

static void on_change(struct conf_diff *d, const char *what, int restart_line)
{
	struct candidate *c = container_of(d, struct comparison, diff)->candidate;
	char **more = realloc(c->changed.line, (c->changed.count + 1) * sizeof(*more));

	if (restart_line != CONF_NO_RESTART) {
		(void)snprintf(c->why, sizeof(c->why), "%s cannot change without a restart", what);
		conf_errors_add(&c->errors, c->conf->path, restart_line, c->why);
	}
	if (!more)
		return;
	c->changed.line = more;
	more[c->changed.count] = strdup(what);
	if (more[c->changed.count])
		c->changed.count++;
}

int candidate_read(struct candidate *c, const struct conf *runs)
{
	struct comparison with = { .diff.visit = on_change, .candidate = c };

	*c = (struct candidate){ .conf = NULL };
	if (conf_load(runs->path, &c->conf, &c->errors) < 0)
		(void)snprintf(c->why, sizeof(c->why), "the configuration cannot be read");
	else
		conf_compare(runs, c->conf, &with.diff);
	if (c->errors.count)
		(void)snprintf(c->why, sizeof(c->why), "%s", c->errors.line[0]);
	return c->why[0] ? -EINVAL : 0;
}

void candidate_done(struct candidate *c)
{
	conf_free(TAKE(c->conf));
	conf_errors_free(&c->errors);
	conf_errors_free(&c->changed);
}
