/* Test double of the master behind view.h, of the series and of a configuration, for tests of the control API. */
#ifndef CONTROL_DOUBLE_H
#define CONTROL_DOUBLE_H

#include "control.h"

struct master {
	struct conf *conf;
	unsigned series;         /* how many series there are; the third is 0.25, the second 0 */
	unsigned stops;          /* how often view_stop was called, and with what last */
	bool stop_now;
	uint32_t last_error;     /* of the one upstream */
	enum log_level level;
	struct view_waiter *waiter; /* of the last reload, drain or undrain that waits; the test answers it */
	unsigned pulls;          /* how many there are */
	bool dry_run;
	const char *no_drain;    /* why a drain that nobody waits for is refused; NULL = it is not */
	int doctor_fd;           /* a copy of what view_doctor was given last; -1 = the keeper is not there */
	unsigned refused;        /* config check lines a reload is answered with at once; 0 = it waits */
};

/* A configuration with one proxy and one registry and the socket at path; the storage is static. */
struct conf *control_double_conf(char *path);

#endif
