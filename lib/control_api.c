/* The table of the control API's calls.  Master and regctl. */
#include "control_api.h"

#include <assert.h>

static const struct control_call_row rows[CONTROL_CALLS] = {
#define A(name, method, path) [CONTROL_##name] = { method, path },
#include "control_api.def"
#undef A
};

const struct control_call_row *control_call_row(enum control_call call)
{
	assert(call < CONTROL_CALLS);
	return &rows[call];
}

enum control_call control_call_find(struct strview target)
{
	struct strview path = target;
	unsigned i = 0;

	(void)sv_cut(&target, '?', &path);
	while (i < CONTROL_CALLS && !sv_eq(path, sv_str(rows[i].path)))
		i++;
	return (enum control_call)i;
}
