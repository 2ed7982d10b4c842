/* `doctor [IMAGE]`.  Regctl. */
#include "ctl_doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "ctl_ask.h"
#include "ctl_json.h"
#include "ctl_pages.h"
#include "ctl_refusal.h"
#include "ctl_secret.h"
#include "exitcode.h"

/* The body of the request as text; the caller's, secret. */
static int make_body(const struct ctl_options *o, char **ret, struct err *reterr)
{
	json_t *auth = NULL;
	int r = o->docker_config ? ctl_secret_read(o->docker_config, o->argument, &auth, reterr) : 0;

	*ret = NULL;
	if (r < 0 || !o->argument)
		return r;
	json_t *root = json_pack("{s:s, s:o*}", "image", o->argument, "auth", auth);
	if (root)
		*ret = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return *ret ? 0 : err_set(reterr, -EINVAL, "the image's name is not text that can be sent");
}

static void forget(char *body)
{
	if (body)
		explicit_bzero(body, strlen(body));
	free(body);
}

static void on_line(const char *line)
{
	json_t *root = json_loads(line, 0, NULL);

	if (json_object_get(root, "step"))
		ctl_page_doctor_step(root, stdout);
	json_decref(root);
	(void)fflush(stdout); /* a broken hop may take its time */
}

/* The result came: prints it; the exit status it names. */
static int show(const struct ctl_options *o, const struct ctl_reply *reply)
{
	json_t *root = json_loadb(reply->body, reply->n, 0, NULL);
	const json_t *exit = json_object_get(root, "exit");
	const int status = json_is_integer(exit) && json_integer_value(exit) == 0 ? EXITCODE_OK : EXITCODE_FAILED;

	if (o->json)
		fputs(reply->body, stdout);
	else if (json_object_get(root, "result"))
		ctl_page_doctor(root, stdout);
	else
		fputs("regctl: the walk broke off: the daemon stops, or its keeper has died\n", stderr);
	json_decref(root);
	return status;
}

int ctl_doctor(const struct ctl_options *o)
{
	struct ctl_reply reply = { .fd = -1 };
	struct err e = { .code = 0 };
	char *body;
	int r = make_body(o, &body, &e);

	if (r < 0) {
		fprintf(stderr, "regctl: %s\n", e.text);
		return EXITCODE_USAGE;
	}
	const struct ctl_question q = { .socket = o->socket, .call = CONTROL_DOCTOR, .body = sv_str(body), .private = true,
		                        .deadline_ms = o->timeout_ms ? clock_now_ms() + o->timeout_ms : CTL_NO_DEADLINE,
		                        .progress = o->json ? NULL : on_line };
	r = ctl_ask(&q, &reply, &e);
	forget(body);
	if (r < 0)
		return ctl_complain(&e);
	r = reply.status == 200 ? show(o, &reply) : ctl_refused(o, &reply);
	ctl_reply_done(&reply);
	return r;
}
