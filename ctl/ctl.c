/* regctl: asks the running daemon over its control socket and prints what it says.  Regctl. */
#include "ctl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "ctl_ask.h"
#include "ctl_json.h"
#include "ctl_options.h"
#include "ctl_pages.h"
#include "exitcode.h"
#include "http_wire.h"

#define ANSWER_MS 10000
#define PATIENCE_MS 1000 /* then stop says what it waits for */

static const enum control_call calls[CTL_COMMANDS] = {
	[CTL_STATUS] = CONTROL_STATUS,
	[CTL_STATS] = CONTROL_STATS,
	[CTL_WORKERS] = CONTROL_WORKERS,
	[CTL_VERSION] = CONTROL_VERSION,
	[CTL_STOP] = CONTROL_STOP,
};

static int complain(const struct err *e)
{
	fprintf(stderr, "regctl: %s\n", e->text);
	return ctl_exit_status(e->code);
}

/* The daemon said no. */
static int refused(const struct ctl_reply *reply)
{
	json_t *root = json_loadb(reply->body, reply->n, 0, NULL);
	const char *why = ctl_json_text(root, "error");

	fprintf(stderr, "regctl: the daemon refused (%u): %s\n", reply->status, why[0] ? why : "it does not say why");
	json_decref(root);
	return EXITCODE_FAILED;
}

static void print_page(const struct ctl_options *o, const json_t *root)
{
	switch (o->command) {
	case CTL_STATUS:
		ctl_page_status(root, stdout);
		break;
	case CTL_STATS:
		ctl_page_stats(root, o->all, stdout);
		break;
	case CTL_WORKERS:
		ctl_page_workers(root, stdout);
		break;
	case CTL_VERSION:
		ctl_page_version(root, stdout);
		break;
	case CTL_STOP:
		puts("stopped");
		break;
	default:
		assert(!"a command without a page");
	}
}

static int print_reply(const struct ctl_options *o, const struct ctl_reply *reply)
{
	json_t *root = json_loadb(reply->body, reply->n, 0, NULL);

	if (!json_is_object(root)) {
		json_decref(root);
		fprintf(stderr, "regctl: what answers on %s is not a regrelayd\n", o->socket);
		return EXITCODE_FAILED;
	}
	if (o->json)
		fputs(reply->body, stdout);
	else
		print_page(o, root);
	json_decref(root);
	return EXITCODE_OK;
}

/* Waits for the daemon's end, and says so when it takes its time. */
static int wait_stopped(int fd, uint64_t deadline_ms)
{
	const uint64_t patience = clock_now_ms() + PATIENCE_MS;
	int r = ctl_wait_end(fd, patience < deadline_ms ? patience : deadline_ms);

	if (r < 0 && patience < deadline_ms) {
		fputs("regctl: waiting for the daemon to finish its pulls\n", stderr);
		r = ctl_wait_end(fd, deadline_ms);
	}
	if (r < 0)
		fputs("regctl: told to stop, but it still runs\n", stderr);
	return r;
}

static int run(const struct ctl_options *o)
{
	const uint64_t begun = clock_now_ms();
	const uint64_t deadline = begun + (o->timeout_ms ? o->timeout_ms : ANSWER_MS);
	struct strview body = o->now ? SV("{\"now\":true}") : SV_NONE;
	struct ctl_reply reply = { .fd = -1 };
	struct err e = { 0 };
	int r = ctl_ask(o->socket, calls[o->command], body, deadline, &reply, &e);

	if (r < 0)
		return complain(&e);
	if (reply.status != 200) {
		r = refused(&reply);
	} else {
		if (o->command == CTL_STOP)
			r = ctl_exit_status(wait_stopped(reply.fd, o->timeout_ms ? deadline : CTL_NO_DEADLINE));
		if (r == EXITCODE_OK)
			r = print_reply(o, &reply);
	}
	ctl_reply_done(&reply);
	return r;
}

int ctl_main(int argc, char **argv)
{
	struct ctl_options o;
	int status;

	wire_setup(CONTROL_HEAD_MAX);
	if (ctl_options_parse(argc, argv, &o, &status))
		status = run(&o);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("regctl: cannot write");
		return EXITCODE_FAILED;
	}
	return status;
}
