/* `config check`: lets the daemon's program look at a file, in place of this one.  Regctl. */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

/* Becomes `regrelayd -t [-c file]`, the one beside this program or else the installed one; needs no daemon and no shell.
 * Returns only when that cannot be: the exit status, after it was said why. */
int ctl_check(const char *file);

#endif
