/* What the calls of the control API do.  Master. */
#ifndef CONTROL_CALLS_H
#define CONTROL_CALLS_H

#include <sys/socket.h>

#include "control_http.h"
#include "view.h"

#define CONTROL_LATER 1

/* Does the call and makes its answer; body is the request's.  0; -ENOMEM; CONTROL_LATER: w was handed to the master, and
 * the answer is made by control_calls_answer when it is called, which may have happened already. */
MUST_CHECK int control_calls_run(struct master *m, enum control_call call, struct strview body, const struct ucred *peer,
                                 struct view_waiter *w, struct control_answer *a);
/* Hands a client whose request begins with MSG_DOCTOR_READ, and was not read any further, to the keeper.  CONTROL_LATER: the
 * keeper answers it, and fd is to be closed here.  0: that cannot be now, a says why; -ENOMEM. */
MUST_CHECK int control_calls_doctor(struct master *m, int fd, const struct ucred *peer, struct control_answer *a);
/* Makes the answer of a call that took its time.  0 or -ENOMEM. */
MUST_CHECK int control_calls_answer(const struct view_answer *done, struct control_answer *a);
/* The same as the last line of an answer of lines. */
MUST_CHECK int control_calls_last_line(const struct view_answer *done, struct control_answer *a);

#endif
