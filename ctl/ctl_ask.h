/* One question to the daemon over its control socket, with a deadline.  Regctl. */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "control_api.h"
#include "err.h"

#define CTL_NO_DEADLINE UINT64_MAX

struct ctl_reply {
	unsigned status;         /* of HTTP */
	char *body;              /* JSON text, terminated; owned */
	size_t n;
	int fd;                  /* the connection, still open: its end may be the daemon's; owned */
};

struct ctl_question {
	const char *socket;
	enum control_call call;
	struct strview body;     /* may be empty */
	bool private;            /* the body waits for leave (100 Continue), so that only who gives it has it */
	uint64_t deadline_ms;    /* clock_now_ms, or CTL_NO_DEADLINE */
	/* Asks for lines of progress and hears each one, terminated; NULL = one answer is enough. */
	void (*progress)(const char *line);
};

/* Asks and reads the whole answer; of one that came as lines the body is the last line.  0; -ENOENT, -ECONNREFUSED: nobody
 * listens; -EACCES: no right; -ETIMEDOUT; -EBADMSG: no answer of a regrelayd; -errno. */
MUST_CHECK int ctl_ask(const struct ctl_question *q, struct ctl_reply *ret, struct err *reterr);
void ctl_reply_done(struct ctl_reply *r);

/* Waits until the process behind the connection is gone: its end of the connection closes, and where its pid can
 * be seen, it has exited.  0 or -ETIMEDOUT. */
MUST_CHECK int ctl_wait_end(int fd, uint64_t deadline_ms);

/* The exit status that goes with an error of these. */
int ctl_exit_status(int error);

#endif
