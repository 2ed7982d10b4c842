/* The clients of the control socket: one request, one answer each, never blocking.  Master. */
#include "control_client.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "clock.h"
#include "control_calls.h"
#include "control_json.h"
#include "msg.h"

#define START_BYTES 2048 /* a request of regctl or curl fits */
#define GRACE_MS    100  /* nobody is sent away sooner for not having said all */
#define BYTES_MAX   (CONTROL_HEAD_MAX + CONTROL_BODY_MAX)

enum client_state {
#define S(state, ms, events, waits_for) CLIENT_##state,
#include "control_states.def"
#undef S
	CLIENT_STATES
};

static const struct {
	const char *name;
	unsigned ms;
	uint32_t events;
	const char *waits_for;
} rows[CLIENT_STATES] = {
#define S(state, ms, events, waits_for) { #state, ms, events, waits_for },
#include "control_states.def"
#undef S
};

struct client {
	struct list node;
	struct control_clients *set;
	enum client_state state;
	int fd;
	uint64_t since_ms;       /* when it was accepted, CLOCK_MONOTONIC */
	sd_event_source *io, *deadline;
	char *bytes;             /* of the request; len <= cap <= BYTES_MAX */
	size_t len, cap;
	struct control_request request;
	struct control_answer answer;
	size_t sent;             /* of the answer */
	bool private;            /* what it sends is not for us: none of it is read any more */
	struct view_waiter waiter; /* in a list of the master's while WAIT */
};

static void client_close(struct client *c)
{
	sd_event_source_disable_unref(TAKE(c->io));
	sd_event_source_disable_unref(TAKE(c->deadline));
	fd_close(&c->fd);
	list_del(&c->node);
	list_del(&c->waiter.node);
	c->set->count--;
	control_answer_done(&c->answer);
	free(c->bytes);
	free(c);
}

/* The only writer of state.  0 or -errno. */
static int client_enter(struct client *c, enum client_state to)
{
	uint64_t now;
	int r = sd_event_source_set_io_events(c->io, rows[to].events);

	log_debug("control client fd=%d %s -> %s, waits for %s", c->fd, rows[c->state].name, rows[to].name,
	          rows[to].waits_for);
	c->state = to;
	if (r >= 0 && rows[to].ms == 0)
		return sd_event_source_set_enabled(c->deadline, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_now(c->set->event, CLOCK_MONOTONIC, &now);
	if (r >= 0)
		r = sd_event_source_set_time(c->deadline, now + rows[to].ms * 1000ull);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->deadline, SD_EVENT_ONESHOT);
	return r;
}

static int make_room(struct client *c)
{
	if (c->len < c->cap)
		return 0;
	const size_t cap = c->cap ? c->cap * 4 : START_BYTES;
	char *bytes = realloc(c->bytes, cap < BYTES_MAX ? cap : BYTES_MAX);

	if (!bytes)
		return -ENOMEM;
	c->bytes = bytes;
	c->cap = cap < BYTES_MAX ? cap : BYTES_MAX;
	return 0;
}

static int find_peer(const struct client *c, struct ucred *ret)
{
	socklen_t n = sizeof(*ret);

	return getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, ret, &n) < 0 ? -errno : 0;
}

static int run_call(struct client *c)
{
	struct ucred peer;
	int r = find_peer(c, &peer);

	if (r < 0)
		return r;
	return control_calls_run(c->set->master, c->request.call, sv_make(c->bytes + c->request.head, c->request.body),
	                         &peer, &c->waiter, &c->answer);
}

/* What was asked is done, at once or after a while. */
static void on_answer(struct view_waiter *w, const struct view_answer *a)
{
	struct client *c = container_of(w, struct client, waiter);
	int r = c->state == CLIENT_STREAM ? control_calls_last_line(a, &c->answer) : control_calls_answer(a, &c->answer);

	list_del(&w->node);
	if (c->state != CLIENT_WAIT && c->state != CLIENT_STREAM) /* at once: client_judge goes on */
		return;
	if (r < 0 || client_enter(c, CLIENT_WRITE) < 0)
		client_close(c);
}

/* The small piece in c->answer must find room at once: who reads so slowly does not want it. */
static int client_push(struct client *c)
{
	const ssize_t n = send(c->fd, c->answer.bytes, c->answer.n, MSG_NOSIGNAL);
	const bool all = n == (ssize_t)c->answer.n;

	control_answer_done(&c->answer);
	return all ? 0 : -EPIPE;
}

static int client_progress(struct client *c)
{
	int r = control_answer_line(&c->answer, control_json_progress(c->set->master));

	if (r == 0)
		r = client_push(c);
	return r < 0 ? r : client_enter(c, CLIENT_STREAM);
}

static int client_stream(struct client *c)
{
	int r = control_answer_begin_lines(&c->answer);

	if (r == 0)
		r = client_push(c);
	return r < 0 ? r : client_progress(c);
}

/* 0 = goes on; negative = the client is at its end. */
static int client_judge(struct client *c)
{
	struct control_refusal no;
	int r;

	switch (control_request_feed(&c->request, c->bytes, c->len, &no)) {
	case CONTROL_MORE:
		return 0;
	case CONTROL_COMPLETE:
		r = run_call(c);
		break;
	default:
		r = control_answer_error(&c->answer, no.status, no.allow, no.why);
		break;
	}
	if (r < 0)
		return r;
	if (r != CONTROL_LATER || c->answer.bytes)
		return client_enter(c, CLIENT_WRITE);
	return c->request.streams ? client_stream(c) : client_enter(c, CLIENT_WAIT);
}

/* One empty line may come before a request (RFC 9112 2.2). */
static size_t request_begins(const struct client *c)
{
	return c->len && c->bytes[0] == '\r' ? 2 : 0;
}

/* A request for the doctor is read no further than this, for what follows may hold credentials: it is the keeper's. */
static size_t first_piece(const struct client *c)
{
	return request_begins(c) + sizeof(MSG_DOCTOR_READ) - 1;
}

static bool wants_doctor(const struct client *c)
{
	return c->len == first_piece(c)
	       && memcmp(c->bytes + request_begins(c), MSG_DOCTOR_READ, sizeof(MSG_DOCTOR_READ) - 1) == 0;
}

static int client_pass_on(struct client *c)
{
	struct ucred peer;
	int r = find_peer(c, &peer);

	c->private = true;
	if (r == 0)
		r = control_calls_doctor(c->set->master, c->fd, &peer, &c->answer);
	if (r == CONTROL_LATER)
		return -ECANCELED; /* here it ends */
	return r < 0 ? r : client_enter(c, CLIENT_WRITE);
}

static int client_read(struct client *c)
{
	int r = make_room(c);

	if (r < 0)
		return r;
	const size_t most = c->len < first_piece(c) ? first_piece(c) - c->len : c->cap - c->len;
	const ssize_t n = recv(c->fd, c->bytes + c->len, most, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->len += (size_t)n;
	return wants_doctor(c) ? client_pass_on(c) : client_judge(c);
}

static int client_write(struct client *c)
{
	const ssize_t n = send(c->fd, c->answer.bytes + c->sent, c->answer.n - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->sent += (size_t)n;
	if (c->sent < c->answer.n)
		return 0;
	if (c->private)
		return -ECANCELED; /* the answer stays readable, and what was not read is gone with our end (unix(7)) */
	if (c->answer.hold)
		return client_enter(c, CLIENT_HOLD);
	(void)shutdown(c->fd, SHUT_WR);
	return client_enter(c, CLIENT_LINGER);
}

/* Throws away what comes; the end is what it waits for. */
static int client_watch(struct client *c)
{
	char waste[4096];
	const ssize_t n = recv(c->fd, waste, sizeof(waste), 0);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	return n < 0 ? -errno : -ECONNRESET;
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	static int (*const step[CLIENT_STATES])(struct client *c) = {
		[CLIENT_READ] = client_read,
		[CLIENT_WAIT] = client_watch,
		[CLIENT_STREAM] = client_watch,
		[CLIENT_WRITE] = client_write,
		[CLIENT_LINGER] = client_watch,
		[CLIENT_HOLD] = client_watch,
	};
	struct client *c = userdata;

	(void)s, (void)fd, (void)events;
	if (step[c->state](c) < 0)
		client_close(c);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct client *c = userdata;

	(void)s, (void)usec;
	if (c->state == CLIENT_STREAM && client_progress(c) == 0)
		return 0;
	log_debug("control client fd=%d waited too long for %s, closing", c->fd, rows[c->state].waits_for);
	client_close(c);
	return 0;
}

void control_clients_init(struct control_clients *set)
{
	*set = (struct control_clients){ 0 };
	list_init(&set->all);
}

int control_client_open(struct control_clients *set, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)close(fd);
		return -ENOMEM;
	}
	c->set = set;
	c->fd = fd;
	c->since_ms = clock_now_ms();
	control_request_init(&c->request);
	list_init(&c->waiter.node);
	c->waiter.answer = on_answer;
	list_append(&set->all, &c->node);
	set->count++;
	int r = sd_event_add_io(set->event, &c->io, fd, EPOLLIN, on_io, c);
	if (r >= 0)
		r = sd_event_add_time(set->event, &c->deadline, CLOCK_MONOTONIC, UINT64_MAX, 0, on_deadline, c);
	if (r >= 0)
		r = sd_event_source_set_priority(c->io, CONTROL_PRIORITY);
	if (r >= 0)
		r = sd_event_source_set_priority(c->deadline, CONTROL_PRIORITY);
	if (r >= 0)
		r = client_enter(c, CLIENT_READ);
	if (r < 0)
		client_close(c);
	return r < 0 ? r : 0;
}

/* The oldest in that state, or NULL. */
static struct client *oldest_in(const struct control_clients *set, enum client_state state)
{
	list_for_each(it, &set->all) {
		struct client *c = list_entry(it, struct client, node);
		if (c->state == state)
			return c;
	}
	return NULL;
}

unsigned control_clients_evict(struct control_clients *set)
{
	struct client *victim = oldest_in(set, CLIENT_LINGER);

	if (!victim) {
		victim = oldest_in(set, CLIENT_READ);
		const uint64_t age = victim ? clock_now_ms() - victim->since_ms : GRACE_MS;
		if (age < GRACE_MS)
			return (unsigned)(GRACE_MS - age);
	}
	if (!victim && !list_empty(&set->all))
		victim = list_entry(set->all.next, struct client, node);
	if (victim) {
		log_debug("too many control clients, closing fd=%d, which waits for %s", victim->fd, rows[victim->state].waits_for);
		client_close(victim);
	}
	return 0;
}

bool control_clients_busy(const struct control_clients *set)
{
	list_for_each(it, &set->all) {
		const struct client *c = list_entry(it, struct client, node);
		if (c->state == CLIENT_WRITE || c->state == CLIENT_LINGER)
			return true;
	}
	return false;
}

void control_clients_close(struct control_clients *set)
{
	list_for_each_safe(it, &set->all)
		client_close(list_entry(it, struct client, node));
}

void control_clients_forget(struct control_clients *set)
{
	list_for_each(it, &set->all)
		fd_close(&list_entry(it, struct client, node)->fd);
}
