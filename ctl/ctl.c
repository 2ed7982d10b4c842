/* regctl: asks the running daemon over its control socket and prints what it says.  Regctl. */
#include "ctl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "ctl_ask.h"
#include "ctl_check.h"
#include "ctl_doctor.h"
#include "ctl_json.h"
#include "ctl_options.h"
#include "ctl_pages.h"
#include "ctl_refusal.h"
#include "exitcode.h"
#include "http_wire.h"

#define ANSWER_MS 10000
#define PATIENCE_MS 1000 /* then stop says what it waits for */

static const enum control_call calls[CTL_COMMANDS] = {
	[CTL_STATUS] = CONTROL_STATUS,
	[CTL_STATS] = CONTROL_STATS,
	[CTL_WORKERS] = CONTROL_WORKERS,
	[CTL_PULLS] = CONTROL_PULLS,
	[CTL_VERSION] = CONTROL_VERSION,
	[CTL_STOP] = CONTROL_STOP,
	[CTL_CONFIG] = CONTROL_CONFIG,
	[CTL_RELOAD] = CONTROL_RELOAD,
	[CTL_DRAIN] = CONTROL_DRAIN,
	[CTL_UNDRAIN] = CONTROL_UNDRAIN,
	[CTL_LOG_LEVEL] = CONTROL_LOG_LEVEL,
};

/* The daemon answers when it is done, and bounds that itself. */
static bool takes_its_time(const struct ctl_options *o)
{
	return o->command == CTL_RELOAD || o->command == CTL_UNDRAIN || (o->command == CTL_DRAIN && o->wait);
}

static void print_page(const struct ctl_options *o, const json_t *root)
{
	switch (o->command) {
	case CTL_STATUS:
		ctl_page_status(root, stdout);
		break;
	case CTL_STATS:
		ctl_page_stats(root, NULL, 0, o, stdout);
		break;
	case CTL_WORKERS:
		ctl_page_workers(root, stdout);
		break;
	case CTL_PULLS:
		ctl_page_pulls(root, NULL, 0, o, stdout);
		break;
	case CTL_VERSION:
		ctl_page_version(root, stdout);
		break;
	case CTL_STOP:
		puts("stopped");
		break;
	case CTL_CONFIG:
		fputs(ctl_json_text(root, "text"), stdout);
		break;
	case CTL_RELOAD:
		ctl_page_reload(root, o->dry_run, stdout);
		break;
	case CTL_DRAIN:
		puts(o->wait ? "drained" : "draining");
		break;
	case CTL_UNDRAIN:
		ctl_page_undrain(root, stdout);
		break;
	case CTL_LOG_LEVEL:
		puts(ctl_json_text(root, o->argument ? "level" : "log_level"));
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

/* The body of the request into text[cap]. */
static struct strview request_body(const struct ctl_options *o, char *text, size_t cap)
{
	switch (o->command) {
	case CTL_STOP: return o->now ? SV("{\"now\":true}") : SV_NONE;
	case CTL_RELOAD: return o->dry_run ? SV("{\"dry_run\":true}") : SV_NONE;
	case CTL_DRAIN: return o->wait ? SV("{\"wait\":true}") : SV_NONE;
	case CTL_LOG_LEVEL:
		if (!o->argument)
			return SV_NONE;
		(void)snprintf(text, cap, "{\"level\":\"%s\"}", o->argument);
		return sv_str(text);
	default: return SV_NONE;
	}
}

/* log-level without a level only asks. */
static enum control_call call_of(const struct ctl_options *o)
{
	return o->command == CTL_LOG_LEVEL && !o->argument ? CONTROL_STATUS : calls[o->command];
}

static uint64_t deadline_of(const struct ctl_options *o)
{
	if (!o->timeout_ms && takes_its_time(o))
		return CTL_NO_DEADLINE;
	return clock_now_ms() + (o->timeout_ms ? o->timeout_ms : ANSWER_MS);
}

/* What a drain still waits for, on one line of a terminal or a line each time it changed. */
static void on_progress(const char *line)
{
	static char last[128];
	json_t *root = json_loads(line, 0, NULL);
	const json_t *p = json_object_get(root, "progress");
	const double pulls = ctl_json_number(p, "pulls");
	char text[sizeof(last)], bytes[CTL_BYTES_MAX], age[CTL_AGE_MAX];

	(void)snprintf(text, sizeof(text), "%.0f pull%s, %s left, oldest %s", pulls, pulls == 1 ? "" : "s",
	               ctl_json_bytes(ctl_json_number(p, "bytes_left"), bytes), ctl_json_age(ctl_json_number(p, "oldest_s"), age));
	if (pulls > 0 && strcmp(text, last) != 0)
		fprintf(stderr, isatty(STDERR_FILENO) ? "\r%s\033[K" : "%s\n", text);
	else if (!p && last[0] && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (pulls > 0)
		memcpy(last, text, sizeof(last));
	json_decref(root);
}

/* An answer of lines begins with 200 whatever comes: its last line tells.  The status that this makes; 0 = the lines broke
 * off, and only of progress was told. */
static unsigned status_of(const struct ctl_reply *reply)
{
	json_t *root = json_loadb(reply->body, reply->n, 0, NULL);
	const bool refused = ctl_json_number(root, "exit") != 0, broke_off = json_object_get(root, "progress");

	json_decref(root);
	return broke_off ? 0 : refused && reply->status == 200 ? 409 : reply->status;
}

static int run(const struct ctl_options *o)
{
	const uint64_t deadline = deadline_of(o);
	char text[128];
	const struct ctl_question q = { .socket = o->socket, .call = call_of(o), .body = request_body(o, text, sizeof(text)),
		                        .deadline_ms = deadline, .progress = o->wait ? on_progress : NULL };
	struct ctl_reply reply = { .fd = -1 };
	struct err e = { 0 };
	int r = ctl_ask(&q, &reply, &e);

	if (r < 0)
		return ctl_complain(&e);
	reply.status = status_of(&reply);
	if (reply.status == 0) {
		fprintf(stderr, "regctl: the daemon on %s closed the connection without an answer\n", o->socket);
		r = EXITCODE_FAILED;
	} else if (reply.status != 200) {
		r = ctl_refused(o, &reply);
	} else {
		if (o->command == CTL_STOP)
			r = ctl_exit_status(wait_stopped(reply.fd, o->timeout_ms ? deadline : CTL_NO_DEADLINE));
		if (r == EXITCODE_OK)
			r = print_reply(o, &reply);
	}
	ctl_reply_done(&reply);
	return r;
}

static int dispatch(const struct ctl_options *o)
{
	if (o->command == CTL_CONFIG && o->argument)
		return ctl_check(o->file);
	if (o->command == CTL_DOCTOR)
		return ctl_doctor(o);
	if (o->watch)
		return ctl_watch(o, calls[o->command], o->command == CTL_PULLS ? ctl_page_pulls : ctl_page_stats);
	return run(o);
}

int ctl_main(int argc, char **argv)
{
	struct ctl_options o;
	int status;

	wire_setup(CONTROL_HEAD_MAX);
	if (ctl_options_parse(argc, argv, &o, &status))
		status = dispatch(&o);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("regctl: cannot write");
		return EXITCODE_FAILED;
	}
	return status;
}
