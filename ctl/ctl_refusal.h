/* What regctl says when it gets no, or no good answer; each returns the exit status.  Regctl. */
#ifndef CTL_REFUSAL_H
#define CTL_REFUSAL_H

#include "ctl_ask.h"
#include "ctl_options.h"

/* There was no answer. */
int ctl_complain(const struct err *e);
/* The daemon said no: every line it gives, and the exit status it names. */
int ctl_refused(const struct ctl_options *o, const struct ctl_reply *reply);

#endif
