/* A page that is asked for and printed anew every second, until somebody interrupts it or the daemon is gone.  On a terminal
 * it is redrawn in place; elsewhere pages follow one another, plain.  Regctl. */
#ifndef CTL_WATCH_H
#define CTL_WATCH_H

#include <jansson.h>
#include <stdio.h>

#include "control_api.h"
#include "ctl_options.h"

/* A document as a page; before (NULL at first) is the one printed before, seconds ago: what rates are made of. */
typedef void ctl_watch_page(const json_t *now, const json_t *before, double seconds, const struct ctl_options *o, FILE *out);

/* Returns the exit status when it cannot go on; an interrupt ends the program. */
int ctl_watch(const struct ctl_options *o, enum control_call call, ctl_watch_page *page);

#endif
