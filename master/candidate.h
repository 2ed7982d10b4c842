/* The configuration file as it is now, read aside and compared with what runs: what a reload and an undrain begin with.
 * Master.  Nothing that runs is touched. */
#ifndef CANDIDATE_H
#define CANDIDATE_H

#include "conf.h"

struct candidate {
	struct conf *conf;          /* good, though not always one that can be taken over; owned, NULL = the file is bad */
	struct conf_errors errors;  /* what is wrong with the file, or needs a restart; owned */
	struct conf_errors changed; /* what is another than in what runs; owned */
	char why[1024];             /* why it was refused; "" = it was not */
};

/* runs is the configuration to compare with, its path the file to read.  0, or -EINVAL: the file is bad, or changes what
 * needs a restart, as why says.  In both cases candidate_done ends it; who takes over a member leaves it empty. */
MUST_CHECK int candidate_read(struct candidate *c, const struct conf *runs);
void candidate_done(struct candidate *c);

#endif
