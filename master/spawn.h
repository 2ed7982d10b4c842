/* Fork of a child that keeps its heritage and nothing else.  Master. */
#ifndef SPAWN_H
#define SPAWN_H

#include <sys/types.h>

#include "heritage.h"

/* Forks with every signal held; the child closes all descriptors that are not in h, takes the name for its log lines
 * and leaves by _exit(body(h)).  The pid, or -errno. */
pid_t spawn_child(const struct heritage *h, const char *name, int (*body)(const struct heritage *));

#endif
