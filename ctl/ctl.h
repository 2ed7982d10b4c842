/* regctl: asks the running daemon over its control socket and prints what it says. */
#ifndef CTL_H
#define CTL_H

/* The whole program; the exit status (exitcode.h). */
int ctl_main(int argc, char **argv);

#endif
