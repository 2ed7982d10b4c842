/* A worker process: accepts on the shared listeners and relays pulls; one loop, one thread. */
#ifndef WORKER_H
#define WORKER_H

#include "heritage.h"

/* Runs until drained or the master is gone; the exit status (exitcode.h).  Called in the child. */
int worker_main(const struct heritage *h);

#endif
