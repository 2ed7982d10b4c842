/* The master: config, listeners, shared memory, generations, supervision, control socket. */
#ifndef MASTER_H
#define MASTER_H

#include "conf.h"
#include "heritage.h"

/* What main.c hands in: the bodies of the children, so that master/ includes nothing of theirs. */
struct master_children {
	int (*worker)(const struct heritage *h);
	int (*keeper)(const struct heritage *h);
};

/* Serves until stopped; the exit status (exitcode.h).  Takes c over. */
int master_run(struct conf *c, const struct master_children *children);

#endif
