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
/* Makes the answer of a call that took its time.  0 or -ENOMEM. */
MUST_CHECK int control_calls_answer(const struct view_answer *done, struct control_answer *a);
/* The same as the last line of an answer of lines. */
MUST_CHECK int control_calls_last_line(const struct view_answer *done, struct control_answer *a);

#endif
