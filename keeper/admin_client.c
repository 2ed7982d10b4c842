/* Connections of the admin endpoint: one request each, then they are closed.  Keeper. */
#include "admin_client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "http_wire.h"
#include "log.h"
#include "pages.h"
#include "transport.h"

#define LINGER_MAX (64u * 1024) /* bytes taken and forgotten after the answer */

enum admin_state {
#define S(state, deadline_ms, why) ADMIN_##state,
#include "admin_states.def"
#undef S
	ADMIN_STATES
};

static const struct {
	uint64_t deadline_ms;
	const char *name, *waits_for;
} rows[ADMIN_STATES] = {
#define S(state, deadline_ms, why) [ADMIN_##state] = { deadline_ms, #state, why },
#include "admin_states.def"
#undef S
};

enum step { STEP_AGAIN, STEP_WAIT, STEP_END };

struct admin_client {
	struct list node;
	struct admin_clients *all;
	struct transport transport;
	struct timer deadline;
	struct deferred end; /* queued: the client is gone, only its memory is left */
	enum admin_state state;
	struct wire wire;
	char in[ADMIN_HEAD_MAX];
	size_t in_n;
	char head[512]; /* of the answer */
	size_t head_n;
	struct page page;
	size_t sent;     /* of head and body */
	size_t lingered; /* bytes */
};

/* --- life --------------------------------------------------------------------------------------------------- */

static void on_end(struct deferred *d)
{
	free(container_of(d, struct admin_client, end));
}

/* Closes the connection; the memory lives until the end of the turn. */
static void client_end(struct admin_client *c, bool reset)
{
	if (reset)
		transport_reset(&c->transport);
	else
		transport_close(&c->transport);
	loop_timer_stop(&c->deadline);
	free(c->page.body);
	c->page.body = NULL;
	list_del(&c->node);
	c->all->count--;
	loop_defer(c->all->loop, &c->end, on_end);
}

static void on_deadline(struct timer *t)
{
	struct admin_client *c = container_of(t, struct admin_client, deadline);

	log_debug("admin client waited too long for %s, closing it", rows[c->state].waits_for);
	client_end(c, c->state == ADMIN_REPLY); /* half an answer must not look like a whole one */
}

static void client_enter(struct admin_client *c, enum admin_state to)
{
	assert(to < ADMIN_STATES);
	c->state = to;
	loop_timer_in(c->all->loop, &c->deadline, rows[to].deadline_ms, on_deadline);
}

/* --- HEAD --------------------------------------------------------------------------------------------------- */

/* Makes room: a new scrape must never wait for one that does not read. */
static void pages_limit(struct admin_clients *all)
{
	struct admin_client *oldest = NULL;
	unsigned n = 0;

	list_for_each(it, &all->all) {
		struct admin_client *c = list_entry(it, struct admin_client, node);
		if (!c->page.body)
			continue;
		n++;
		if (!oldest)
			oldest = c;
	}
	if (n >= ADMIN_PAGES_MAX)
		client_end(oldest, true);
}

static void head_render(struct admin_client *c, const struct page *p, bool allow)
{
	char date[48];
	time_t now = time(NULL);
	struct tm tm;

	(void)gmtime_r(&now, &tm);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	int n = snprintf(c->head, sizeof(c->head),
	                 "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	                 "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
	                 p->status, p->reason, date, p->type, p->n, allow ? "Allow: GET, HEAD\r\n" : "");
	assert(n > 0 && (size_t)n < sizeof(c->head)); /* all parts are ours and short */
	c->head_n = (size_t)n;
}

static const struct {
	unsigned status;
	const char *reason;
} refusals[] = {
	[WIRE_BAD] = { 400, "Bad Request" },
	[WIRE_VERSION] = { 505, "HTTP Version Not Supported" },
	[WIRE_LINE_LONG] = { 414, "URI Too Long" },
	[WIRE_HEAD_LONG] = { 431, "Request Header Fields Too Large" },
	[WIRE_TLS] = { 400, "Bad Request" },
	[WIRE_METHOD] = { 501, "Not Implemented" },
	[WIRE_HOST] = { 400, "Bad Request" },
	[WIRE_BODY] = { 413, "Content Too Large" },
};

static enum step answer(struct admin_client *c, enum wire_result got, const struct http_head *head)
{
	const bool read_only = head->method == HTTP_GET || head->method == HTTP_HEAD;
	int r;

	pages_limit(c->all);
	if (got != WIRE_DONE)
		r = page_plain(refusals[got].status, refusals[got].reason, c->wire.why ? c->wire.why : "refused",
		               &c->page);
	else if (!read_only)
		r = page_plain(405, "Method Not Allowed", "only GET and HEAD are answered here", &c->page);
	else
		r = page_make(c->all->h, head->target, &c->page);
	if (r < 0)
		return STEP_END;
	head_render(c, &c->page, got == WIRE_DONE && !read_only);
	if (got == WIRE_DONE && head->method == HTTP_HEAD)
		c->page.n = 0;
	client_enter(c, ADMIN_REPLY);
	return STEP_AGAIN;
}

static enum step step_head(struct admin_client *c)
{
	struct http_head head = { .method = HTTP_METHOD_OTHER };
	ssize_t n = transport_read(&c->transport, c->in + c->in_n, sizeof(c->in) - c->in_n);

	if (n == -EAGAIN)
		return STEP_WAIT;
	if (n <= 0)
		return STEP_END;
	c->in_n += (size_t)n;
	enum wire_result got = wire_feed(&c->wire, c->in, c->in_n, &head);
	if (got == WIRE_MORE && c->in_n == sizeof(c->in))
		got = WIRE_HEAD_LONG;
	return got == WIRE_MORE ? STEP_AGAIN : answer(c, got, &head);
}

/* --- REPLY, LINGER ----------------------------------------------------------------------------------------- */

static enum step step_reply(struct admin_client *c)
{
	const size_t whole = c->head_n + c->page.n;
	const size_t in_body = c->sent > c->head_n ? c->sent - c->head_n : 0;
	const size_t in_head = c->sent - in_body;
	const struct iovec part[2] = {
		{ .iov_base = c->head + in_head, .iov_len = c->head_n - in_head },
		{ .iov_base = c->page.body + in_body, .iov_len = c->page.n - in_body },
	};
	ssize_t n = transport_writev(&c->transport, part, 2);

	if (n < 0)
		return n == -EAGAIN ? STEP_WAIT : STEP_END;
	c->sent += (size_t)n;
	if (c->sent < whole)
		return STEP_AGAIN;
	free(c->page.body);
	c->page.body = NULL;
	/* Bytes that we have not read would turn our close into a reset, and the client might lose the answer. */
	(void)shutdown(c->transport.fd, SHUT_WR);
	client_enter(c, ADMIN_LINGER);
	return STEP_AGAIN;
}

static enum step step_linger(struct admin_client *c)
{
	ssize_t n = transport_read(&c->transport, c->in, sizeof(c->in));

	if (n == -EAGAIN)
		return STEP_WAIT;
	if (n <= 0)
		return STEP_END;
	c->lingered += (size_t)n;
	return c->lingered > LINGER_MAX ? STEP_END : STEP_AGAIN;
}

static enum step (*const steps[ADMIN_STATES])(struct admin_client *c) = {
	[ADMIN_HEAD] = step_head, [ADMIN_REPLY] = step_reply, [ADMIN_LINGER] = step_linger,
};

static void on_ready(struct transport *t)
{
	struct admin_client *c = container_of(t, struct admin_client, transport);
	enum step next;

	do
		next = steps[c->state](c);
	while (next == STEP_AGAIN);
	if (next == STEP_END)
		client_end(c, c->state == ADMIN_REPLY);
}

/* --- all of them -------------------------------------------------------------------------------------------- */

void admin_clients_init(struct admin_clients *c, struct loop *l, const struct heritage *h)
{
	*c = (struct admin_clients){ .loop = l, .h = h };
	list_init(&c->all);
	wire_setup(ADMIN_HEAD_MAX);
}

/* The oldest that has not sent its request, or when there is none simply the oldest. */
static void clients_limit(struct admin_clients *all)
{
	struct admin_client *victim = NULL;

	if (all->count < ADMIN_CLIENTS)
		return;
	list_for_each(it, &all->all) {
		struct admin_client *c = list_entry(it, struct admin_client, node);
		if (!victim || (victim->state != ADMIN_HEAD && c->state == ADMIN_HEAD))
			victim = c;
	}
	client_end(victim, true);
}

void admin_clients_take(struct admin_clients *all, int fd)
{
	static const struct gate_limits limits = { .line = ADMIN_HEAD_MAX, .head = ADMIN_HEAD_MAX, .fields = 64 };
	struct admin_client *c = calloc(1, sizeof(*c));

	if (!c || transport_open_plain(&c->transport, all->loop, fd, on_ready) < 0) {
		(void)close(fd);
		free(c);
		return;
	}
	clients_limit(all);
	c->all = all;
	deferred_init(&c->end);
	wire_init_request(&c->wire, &limits, false);
	list_append(&all->all, &c->node);
	all->count++;
	client_enter(c, ADMIN_HEAD);
}

bool admin_clients_wait(const struct admin_clients *all)
{
	list_for_each(it, &all->all)
		if (list_entry(it, const struct admin_client, node)->state != ADMIN_LINGER)
			return true;
	return false;
}

void admin_clients_done(struct admin_clients *all)
{
	list_for_each_safe(it, &all->all)
		client_end(list_entry(it, struct admin_client, node), false);
}
