/* What a comparison of two configurations tells, one behind the other; nothing of it may need a restart. */
#ifndef CONF_SEEN_H
#define CONF_SEEN_H

#include <string.h>

#include "conf.h"

struct seen {
	struct conf_diff diff;
	char what[200];
};

static void on_change(struct conf_diff *d, const char *what, int restart_line)
{
	struct seen *s = container_of(d, struct seen, diff);

	assert_int_equal(restart_line, CONF_NO_RESTART);
	assert_true(strlen(s->what) + strlen(what) < sizeof(s->what));
	strcat(s->what, what);
}

#endif
