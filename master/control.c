/* The control socket: accepts clients of the control API, at most CONTROL_CLIENTS at once.  Master. */
#include "control.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control_client.h"
#include "control_socket.h"

#define ACCEPTS_A_TURN 16     /* then supervision has its turn */
#define PAUSE_US       200000 /* when there is no descriptor or memory for a client */

struct control {
	struct control_socket socket;
	struct control_clients clients;
	sd_event_source *accept, *resume;
	bool short_of; /* descriptors or memory: told once, until a client is taken again */
};

struct control *control_open(const struct conf *conf, struct err *reterr)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)err_sys(reterr, -ENOMEM, "control socket %s", conf->master.control);
		return NULL;
	}
	control_clients_init(&c->clients);
	c->socket.fd = -1;
	if (control_socket_open(&conf->master, &c->socket, reterr) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

/* Level-triggered and nothing accepted: without a pause the master would spin. */
static int pause_for(struct control *c, uint64_t usec)
{
	uint64_t now;
	int r = sd_event_now(c->clients.event, CLOCK_MONOTONIC, &now);

	if (r >= 0)
		r = sd_event_source_set_time(c->resume, now + usec);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->resume, SD_EVENT_ONESHOT);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->accept, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

static int pause_accepting(struct control *c, int why)
{
	char text[128];

	if (!c->short_of)
		log_warning("cannot take a control client, trying again every %d ms: %s", PAUSE_US / 1000,
		            strerror_r(why, text, sizeof(text)));
	c->short_of = true;
	return pause_for(c, PAUSE_US);
}

static int on_resume(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct control *c = userdata;

	(void)s, (void)usec;
	return sd_event_source_set_enabled(c->accept, SD_EVENT_ON);
}

static int on_accept(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct control *c = userdata;

	(void)s, (void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		const bool full = c->clients.count >= CONTROL_CLIENTS;
		if (full && i > 0)
			return 0; /* maybe nobody else waits: the next turn knows */
		const unsigned wait_ms = full ? control_clients_evict(&c->clients) : 0;
		if (wait_ms)
			return pause_for(c, wait_ms * 1000ull);
		const int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return 0;
		if (client < 0)
			return pause_accepting(c, errno);
		const int r = control_client_open(&c->clients, client);
		if (r < 0)
			return pause_accepting(c, -r);
		c->short_of = false;
	}
	return 0;
}

int control_start(struct control *c, sd_event *e, struct master *m)
{
	wire_setup(CONTROL_HEAD_MAX);
	c->clients.event = e;
	c->clients.master = m;
	int r = sd_event_add_io(e, &c->accept, c->socket.fd, EPOLLIN, on_accept, c);
	if (r >= 0)
		r = sd_event_add_time(e, &c->resume, CLOCK_MONOTONIC, UINT64_MAX, 0, on_resume, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->resume, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(c->accept, CONTROL_PRIORITY);
	return r < 0 ? r : 0;
}

bool control_busy(const struct control *c)
{
	return control_clients_busy(&c->clients);
}

void control_close(struct control *c)
{
	if (!c)
		return;
	sd_event_source_disable_unref(TAKE(c->accept));
	sd_event_source_disable_unref(TAKE(c->resume));
	control_socket_close(&c->socket); /* before the clients: whoever sees the end may start the next daemon */
	control_clients_close(&c->clients);
	free(c);
}

void control_forget(struct control *c)
{
	if (!c)
		return;
	fd_close(&c->socket.fd);
	control_clients_forget(&c->clients);
}
