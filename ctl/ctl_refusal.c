/* What regctl says when it gets no, or no good answer.  Regctl. */
#include "ctl_refusal.h"

#include <stdio.h>

#include "ctl_json.h"
#include "exitcode.h"

int ctl_complain(const struct err *e)
{
	fprintf(stderr, "regctl: %s\n", e->text);
	return ctl_exit_status(e->code);
}

int ctl_refused(const struct ctl_options *o, const struct ctl_reply *reply)
{
	json_t *root = json_loadb(reply->body, reply->n, 0, NULL), *lines = json_object_get(root, "errors"), *line;
	const json_t *exit = json_object_get(root, "exit");
	const int status = json_is_integer(exit) ? (int)json_integer_value(exit) : EXITCODE_FAILED;
	const char *why = ctl_json_text(root, "error");
	size_t i;

	if (o->json)
		fputs(reply->body, stdout);
	json_array_foreach(lines, i, line)
		fprintf(stderr, "%s\n", json_is_string(line) ? json_string_value(line) : "?");
	if (json_array_size(lines) == 0)
		fprintf(stderr, "regctl: the daemon refused (%u): %s\n", reply->status, why[0] ? why : "it does not say why");
	else
		fputs("regctl: the configuration was refused; the daemon goes on as before\n", stderr);
	json_decref(root);
	return status > 0 && status < 256 ? status : EXITCODE_FAILED;
}
