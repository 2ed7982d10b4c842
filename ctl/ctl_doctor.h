/* `doctor [IMAGE]`: lets the daemon walk every hop of a pull, and prints what it finds.  Regctl. */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "ctl_options.h"

/* The exit status: 0 = all hops are well, 1 = one is broken, or as everywhere. */
int ctl_doctor(const struct ctl_options *o);

#endif
