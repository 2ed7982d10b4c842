/* The names and bounds of the control API: what the master serves and regctl asks for.  Master and regctl. */
#ifndef CONTROL_API_H
#define CONTROL_API_H

#include "strview.h"

#define CONTROL_SOCKET_DEFAULT RUNSTATEDIR "/regrelay/control.sock"

#define CONTROL_HEAD_MAX   8192 /* bytes of a head, either way */
#define CONTROL_FIELDS_MAX 32
#define CONTROL_BODY_MAX   65536          /* bytes of a request's body */
#define CONTROL_ANSWER_MAX (4u << 20)     /* bytes of an answer, head included */

enum control_call {
#define A(name, method, path) CONTROL_##name,
#include "control_api.def"
#undef A
	CONTROL_CALLS
};

struct control_call_row {
	const char *method, *path;
};

/* The row of a call; call < CONTROL_CALLS. */
const struct control_call_row *control_call_row(enum control_call call);
/* The call behind a path (a query is cut off first); CONTROL_CALLS when there is none. */
enum control_call control_call_find(struct strview target);

#endif
