/* Exit statuses: a contract with systemd, Kubernetes and scripts (LSB and sysexits numbers, systemd.exec(5)). */
#ifndef EXITCODE_H
#define EXITCODE_H

enum exitcode {
	EXITCODE_OK = 0,
	EXITCODE_FAILED = 1,      /* regctl: refused or failed */
	EXITCODE_USAGE = 2,
	EXITCODE_PERMISSION = 4,  /* regctl: no right on the socket */
	EXITCODE_NOT_RUNNING = 7, /* regctl: nobody listens on the socket */
	EXITCODE_SOFTWARE = 70,   /* a bug of ours */
	EXITCODE_RESOURCE = 71,   /* the system refused a resource: port in use, no memory, no fds */
	EXITCODE_TIMEOUT = 75,    /* regctl: no answer in time */
	EXITCODE_CONFIG = 78      /* bad configuration or certificate: not retried, not restarted */
};

#endif
