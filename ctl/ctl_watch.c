/* A page that is printed anew every second.  Regctl. */
#include "ctl_watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "ctl_ask.h"
#include "exitcode.h"

#define INTERVAL_MS 1000
#define ANSWER_MS   10000

/* A terminal that can be drawn on; 0 columns = it is none. */
struct screen {
	unsigned columns, rows;
};

static struct screen screen_of(FILE *out)
{
	const char *term = getenv("TERM");
	struct winsize size;

	if (!isatty(fileno(out)) || !term || !*term || strcmp(term, "dumb") == 0)
		return (struct screen){ 0, 0 };
	if (ioctl(fileno(out), TIOCGWINSZ, &size) < 0 || size.ws_col < 20 || size.ws_row < 4)
		return (struct screen){ 80, 24 };
	return (struct screen){ size.ws_col, size.ws_row };
}

/* Over what is there, cut to the screen: from the top left corner, each line's rest and all below it erased. */
static void draw(const char *page, const struct screen *s, FILE *out)
{
	unsigned rows = 0;

	fputs("\033[H", out);
	while (*page && rows < s->rows - 1) {
		const size_t n = strcspn(page, "\n");
		fprintf(out, "%.*s\033[K\n", (int)(n < s->columns ? n : s->columns), page);
		page += n + (page[n] == '\n');
		rows++;
	}
	fputs("\033[J", out);
}

static void print(const char *page, unsigned number, FILE *out)
{
	const struct screen s = screen_of(out);

	if (s.columns && number == 0)
		fputs("\033[2J", out);
	if (s.columns)
		draw(page, &s, out);
	else
		fprintf(out, "%s%s", number ? "\n" : "", page);
	(void)fflush(out);
}

static int ask_once(const struct ctl_options *o, enum control_call call, struct ctl_reply *reply, struct err *reterr)
{
	const struct ctl_question q = { .socket = o->socket, .call = call,
		                        .deadline_ms = clock_now_ms() + (o->timeout_ms ? o->timeout_ms : ANSWER_MS) };

	return ctl_ask(&q, reply, reterr);
}

/* NULL: *ret_status says with what it ends.  A daemon that hangs up without an answer is about to leave, as a rule: the next
 * question tells. */
static json_t *ask(const struct ctl_options *o, enum control_call call, struct ctl_reply *reply, int *ret_status)
{
	struct err e = { 0 };
	int r = ask_once(o, call, reply, &e);

	if (r == -ECONNRESET) {
		(void)poll(NULL, 0, INTERVAL_MS);
		r = ask_once(o, call, reply, &e);
	}
	json_t *root = r == 0 && reply->status == 200 ? json_loadb(reply->body, reply->n, 0, NULL) : NULL;

	if (r < 0)
		fprintf(stderr, "regctl: %s\n", e.text);
	else if (!root)
		fputs("regctl: the daemon gave no such document\n", stderr);
	*ret_status = r < 0 ? ctl_exit_status(r) : EXITCODE_FAILED;
	return root;
}

static void show(const struct ctl_options *o, ctl_watch_page *page, const json_t *now, const json_t *before, double seconds,
                 unsigned number)
{
	CLEANUP(free_p) char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return;
	page(now, before, seconds, o, f);
	if (fclose(f) == 0)
		print(text, number, stdout);
}

int ctl_watch(const struct ctl_options *o, enum control_call call, ctl_watch_page *page)
{
	json_t *before = NULL;
	uint64_t before_ms = 0;
	int status;

	for (unsigned number = 0; !ferror(stdout); number++) {
		struct ctl_reply reply = { .fd = -1 };
		json_t *now = ask(o, call, &reply, &status);
		const uint64_t now_ms = clock_now_ms();

		if (now && o->json)
			fputs(reply.body, stdout);
		else if (now)
			show(o, page, now, before, (double)(now_ms - before_ms) / 1000, number);
		ctl_reply_done(&reply);
		json_decref(before);
		before = now;
		before_ms = now_ms;
		if (!now)
			return status;
		(void)fflush(stdout);
		(void)poll(NULL, 0, INTERVAL_MS);
	}
	json_decref(before);
	return EXITCODE_FAILED;
}
