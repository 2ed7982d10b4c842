/* What the calls of the control API do.  Master. */
#ifndef CONTROL_CALLS_H
#define CONTROL_CALLS_H

#include <sys/socket.h>

#include "control_http.h"
#include "view.h"

/* Does the call and makes its answer; body is the request's.  0 or -ENOMEM. */
MUST_CHECK int control_calls_run(struct master *m, enum control_call call, struct strview body,
                                 const struct ucred *peer, struct control_answer *a);

#endif
