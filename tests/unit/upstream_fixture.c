/* A loop with the upstream side of a process in it, and a scripted upstream on loopback in the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "upstream_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "clock.h"

static struct fixture *current; /* one at a time: watches of the fake find it here */

/* --- the fake ------------------------------------------------------------------------------------------ */

static void fake_close(struct fixture *f, struct fake_conn *c, bool reset)
{
	if (c->transport.fd < 0)
		return;
	if (reset)
		transport_reset(&c->transport);
	else
		transport_close(&c->transport);
	f->open--;
}

static void fake_write(struct fake_conn *c, const char *bytes, size_t n)
{
	while (n) {
		ssize_t r = transport_write(&c->transport, bytes, n);
		assert_true(r > 0);
		bytes += r;
		n -= (size_t)r;
	}
}

static void fake_step(struct fixture *f, struct fake_conn *c)
{
	c->requests++;
	f->requests++;
	memcpy(f->last_request, c->request, c->n + 1);
	c->n = 0;
	assert_true(f->steps_done < f->steps);
	const struct fake_step *s = &f->step[f->steps_done++];
	if (s->send)
		fake_write(c, s->send, strlen(s->send));
	if (s->then != THEN_KEEP)
		fake_close(f, c, s->then == THEN_RESET);
}

static void on_fake_ready(struct transport *t)
{
	struct fake_conn *c = container_of(t, struct fake_conn, transport);

	while (t->fd >= 0 && t->readable) {
		ssize_t n = transport_read(t, c->request + c->n, sizeof(c->request) - 1 - c->n);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			fake_close(current, c, false);
			return;
		}
		c->n += (size_t)n;
		c->request[c->n] = '\0';
		if (c->n >= 4 && strcmp(c->request + c->n - 4, "\r\n\r\n") == 0)
			fake_step(current, c);
	}
}

static void on_fake_accept(struct watch *w, uint32_t events)
{
	struct fixture *f = container_of(w, struct fixture, listen);
	int fd;

	(void)events;
	while ((fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct fake_conn *c = calloc(1, sizeof(*c));
		assert_non_null(c);
		assert_true(f->conns < FAKE_CONNECTIONS);
		assert_int_equal(transport_open_plain(&c->transport, &f->loop, fd, on_fake_ready), 0);
		f->conn[f->conns++] = c;
		f->open++;
	}
}

void fake_answers(struct fixture *f, const char *send, enum fake_then then)
{
	assert_true(f->steps < FAKE_STEPS);
	f->step[f->steps++] = (struct fake_step){ send, then };
}

void fake_sends(struct fixture *f, unsigned conn, const char *bytes, size_t n)
{
	fake_write(f->conn[conn], bytes, n);
}

void fake_ends(struct fixture *f, unsigned conn, bool reset)
{
	fake_close(f, f->conn[conn], reset);
}

void fake_refuses(struct fixture *f)
{
	loop_del(&f->listen);
	fd_close(&f->listen_fd);
}

/* --- the fixture --------------------------------------------------------------------------------------- */

static void listen_on_loopback(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(f->listen_fd >= 0);
	assert_int_equal(bind(f->listen_fd, (const struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(f->listen_fd, 64), 0);
	assert_int_equal(getsockname(f->listen_fd, (struct sockaddr *)&at, &len), 0);
	f->proxy.address.port = ntohs(at.sin_port);
	assert_int_equal(loop_add(&f->loop, &f->listen, f->listen_fd, EPOLLIN, on_fake_accept), 0);
}

static void fill_conf(struct fixture *f)
{
	static char name[] = "default", vhost[] = "reg.corp:5000", other[] = "other.corp:443", none[] = "";

	f->proxy = (struct conf_proxy){
		.name = name, .index = 3, .name_index = -1, .location_id = none, .connect_timeout = 2000,
		.header_budget = 5000, .stall_timeout = 5000, .idle_timeout = 5000, .max_connections = 8,
	};
	(void)snprintf(f->proxy.address.host, sizeof(f->proxy.address.host), "127.0.0.1");
	f->proxy.address.literal = true;
	f->conf.proxy[0] = &f->proxy;
	f->conf.proxies = 1;
	for (unsigned i = 0; i < ARRAY_LEN(f->registry); i++) {
		f->registry[i] = (struct conf_registry){ .name = name, .authority = i == 1 ? other : vhost,
			                                 .proxy = &f->proxy, .location_id = none,
			                                 .forwarded_host = true };
		f->conf.registry[i] = &f->registry[i];
	}
	f->conf.registries = ARRAY_LEN(f->registry);
}

struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e;

	assert_non_null(f);
	current = f;
	assert_int_equal(loop_init(&f->loop), 0);
	f->shm = shm_open_anonymous(&e);
	assert_non_null(f->shm);
	f->heritage = (struct heritage){ .conf = &f->conf, .shm = f->shm, .slot = 2,
		                         .stats = &f->shm->slot[2], .wake_fd = -1, .channel_fd = -1 };
	fill_conf(f);
	f->stats = &f->heritage.stats->upstream[f->proxy.index];
	listen_on_loopback(f);
	return f;
}

void fixture_begin(struct fixture *f)
{
	struct err e;

	f->upstream = upstream_new(&f->loop, &f->heritage, &e);
	assert_non_null(f->upstream);
}

void fixture_free(struct fixture *f)
{
	upstream_free(f->upstream);
	/* Whatever happened: every gauge is back at zero. */
	assert_int_equal(stats_get(&f->stats->connections), 0);
	assert_int_equal(stats_get(&f->stats->idle), 0);
	assert_int_equal(stats_get(&f->stats->waiting), 0);
	loop_del(&f->listen);
	fd_close(&f->listen_fd);
	for (unsigned i = 0; i < f->conns; i++) {
		fake_close(f, f->conn[i], false);
		free(f->conn[i]);
	}
	loop_done(&f->loop);
	shm_close(f->shm);
	free(f);
}

void settle(struct fixture *f)
{
	uint64_t until = clock_now_ms() + 20;

	while (clock_now_ms() < until)
		assert_int_equal(loop_turn(&f->loop, 20), 0);
}

/* --- a client ------------------------------------------------------------------------------------------ */

static ssize_t take(struct sink *s, struct strview bytes)
{
	struct taking *p = container_of(s, struct taking, sink);
	size_t n = bytes.n < p->room ? bytes.n : p->room;

	if (n == 0 && bytes.n)
		return -EAGAIN;
	p->got = realloc(p->got, p->n + n + 1);
	assert_non_null(p->got);
	memcpy(p->got + p->n, bytes.p, n);
	p->n += n;
	p->got[p->n] = '\0';
	if (p->room != SIZE_MAX)
		p->room -= n;
	return (ssize_t)n;
}

static void move(struct taking *p)
{
	enum move_result r = MOVE_SOME;
	size_t moved;
	int error = 0;

	while (r == MOVE_SOME)
		r = source_move(p->source, &p->sink, p->step, &moved, &error);
	p->ended = r == MOVE_END;
	p->cut = r == MOVE_CUT;
	fetch_facts(p->source, &p->facts);
}

static struct taking *pulls[64];

static struct taking *pull_of(const struct source *s)
{
	for (size_t i = 0; i < ARRAY_LEN(pulls); i++)
		if (pulls[i] && pulls[i]->source == s)
			return pulls[i];
	fail_msg("fn was called for a source that is gone, or from within fetch_start");
	return NULL;
}

static void on_source(struct source *s)
{
	struct taking *p = pull_of(s);

	p->calls++;
	if (s->state == SOURCE_FAILED) {
		p->failed = true;
		fetch_facts(s, &p->facts);
	} else if (s->state == SOURCE_HEAD) {
		if (!p->head) {
			assert_non_null(s->head);
			p->head = true;
			p->status = s->head->status;
			(void)snprintf(p->content_type, sizeof(p->content_type), SV_FMT,
			               SV_ARG(http_head_value(s->head, SV("Content-Type"))));
		}
		if (p->room) /* else it is the client's turn, as in a session */
			move(p);
	}
}

struct taking *pull_new(struct fixture *f, unsigned registry, enum http_method method, const char *path,
                      bool urgent)
{
	/* on the stack on purpose: the fetch has to copy what it needs later */
	const struct http_field field[] = { { SV("Accept"), SV("a/b") }, { SV("accept"), SV("c/d") }, f->extra };
	const struct fetch_request rq = {
		.registry = &f->registry[registry], .route = ROUTE_MANIFEST, .method = method,
		.path = sv_str(path), .field = field, .fields = ARRAY_LEN(field) - (f->extra.name.n == 0), .id = SV("id-1"),
		.urgent = urgent,
	};
	struct taking *p = calloc(1, sizeof(*p));
	struct err e;
	size_t at = 0;

	assert_non_null(p);
	p->sink.put = take;
	p->room = SIZE_MAX;
	p->step = 1000;
	p->source = fetch_start(f->upstream, &rq, on_source, &e);
	assert_non_null(p->source);
	while (at < ARRAY_LEN(pulls) && pulls[at])
		at++;
	assert_true(at < ARRAY_LEN(pulls));
	pulls[at] = p;
	return p;
}

void pull_read(struct taking *p, size_t room)
{
	p->room = room;
	move(p);
}

void pull_free(struct taking *p)
{
	for (size_t i = 0; i < ARRAY_LEN(pulls); i++)
		if (pulls[i] == p)
			pulls[i] = NULL;
	source_free(p->source);
	free(p->got);
	free(p);
}
