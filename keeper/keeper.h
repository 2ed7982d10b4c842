/* The keeper process: what must happen once per generation: names, tokens, probes, the admin endpoint. */
#ifndef KEEPER_H
#define KEEPER_H

#include "heritage.h"

/* Runs until drained or the master is gone; the exit status (exitcode.h).  Called in the child. */
int keeper_main(const struct heritage *h);

#endif
