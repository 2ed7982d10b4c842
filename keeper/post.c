/* One POST over TLS.  Keeper. */
#include "post.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "config.h"
#include "log.h"

#define BUF_SIZE (POST_HEAD_MAX + POST_BODY_MAX)

static const char *const waits_for[POST_STATES] = {
#define S(state, why) [POST_##state] = why,
#include "post_states.def"
#undef S
};

static void enter(struct post *p, enum post_state state)
{
	log_debug("token service %s: waiting for %s", p->at.host, waits_for[state]);
	p->state = state;
}

/* --- ends --------------------------------------------------------------------------------------------------- */

static void dial_close(struct post *p)
{
	loop_del(&p->dial);
	fd_close(&p->dialling);
	loop_timer_stop(&p->dial_deadline);
}

void post_stop(struct post *p)
{
	lookup_stop(&p->lookup);
	dial_close(p);
	transport_close(&p->transport);
	loop_timer_stop(&p->deadline);
	loop_defer_cancel(&p->finish);
	buf_wipe(&p->out, &p->bufs);
	buf_wipe(&p->in, &p->bufs);
	buf_wipe(&p->text, &p->bufs);
	p->state = POST_IDLE;
}

static void on_finish(struct deferred *d)
{
	struct post *p = container_of(d, struct post, finish);

	p->body = p->status ? buf_view(&p->text) : SV_NONE;
	p->state = POST_IDLE;
	p->fn(p);
	if (p->state == POST_IDLE) /* fn began no other */
		post_stop(p);
}

/* It runs until fn is called: another one that began before would be taken for this one. */
static void finish(struct post *p)
{
	lookup_stop(&p->lookup);
	dial_close(p);
	transport_close(&p->transport);
	loop_timer_stop(&p->deadline);
	buf_wipe(&p->out, &p->bufs);
	p->state = POST_DONE;
	loop_defer(p->loop, &p->finish, on_finish);
}

static void fail(struct post *p, const char *what, const char *why)
{
	p->status = 0;
	p->final = tls_is_final(&p->transport);
	if (snprintf(p->error, sizeof(p->error), "%.60s:%u %s%s%.80s", p->at.host, p->at.port, what, why[0] ? ": " : "", why) < 0)
		p->error[0] = '\0'; /* what is too long is cut */
	finish(p);
}

static void fail_errno(struct post *p, const char *what, int error)
{
	char text[64];

	fail(p, what, strerror_r(error, text, sizeof(text)));
}

static void on_deadline(struct timer *t)
{
	struct post *p = container_of(t, struct post, deadline);
	char text[64];

	(void)snprintf(text, sizeof(text), "after %llu s", (unsigned long long)(p->budget_ms + 500) / 1000);
	fail(p, p->state == POST_HEAD || p->state == POST_BODY ? "does not answer" : "cannot be reached", text);
}

/* --- the answer --------------------------------------------------------------------------------------------- */

static void answered(struct post *p)
{
	p->status = p->answer.head.status;
	p->error[0] = '\0';
	finish(p);
}

/* Looks at what is there; true when it is over. */
static bool digest(struct post *p)
{
	const int r = post_answer_take(&p->answer, &p->in, &p->text);

	if (r < 0)
		fail(p, p->answer.what, p->answer.why);
	else if (r == 1)
		answered(p);
	else if (p->state == POST_HEAD && p->answer.in_body)
		enter(p, POST_BODY);
	return r != 0;
}

static void on_end(struct post *p, ssize_t r)
{
	if (r == 0 && post_answer_ends(&p->answer))
		answered(p);
	else if (r == 0)
		fail(p, "hung up before its answer was whole", "");
	else
		fail(p, "broke off", tls_why(&p->transport));
}

static void read_answer(struct post *p)
{
	while (p->state == POST_HEAD || p->state == POST_BODY) {
		buf_compact(&p->in);
		const ssize_t r = transport_read(&p->transport, buf_tail(&p->in), buf_room(&p->in));
		if (r == -EAGAIN)
			return;
		if (r <= 0) {
			on_end(p, r);
			return;
		}
		buf_filled(&p->in, (size_t)r);
		if (digest(p))
			return;
	}
}

/* --- the request -------------------------------------------------------------------------------------------- */

/* Who hangs up may have said why before: an alert of TLS, or an answer. */
static void not_taken(struct post *p)
{
	enter(p, POST_HEAD);
	read_answer(p);
	if (p->state == POST_HEAD || p->state == POST_BODY)
		fail(p, "does not take the request", tls_why(&p->transport));
}

static void write_request(struct post *p)
{
	while (buf_len(&p->out)) {
		struct strview rest = buf_view(&p->out);
		const ssize_t n = transport_write(&p->transport, rest.p, rest.n);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			not_taken(p);
			return;
		}
		buf_consume(&p->out, (size_t)n);
	}
	buf_wipe(&p->out, &p->bufs);
	enter(p, POST_HEAD);
	read_answer(p);
}

static void shake(struct post *p)
{
	const int r = tls_handshake(&p->transport);

	if (r == 0) {
		enter(p, POST_ASK);
		write_request(p);
	} else if (r != -EAGAIN) {
		fail(p, "cannot be trusted or talked to", tls_why(&p->transport));
	}
}

static void on_transport(struct transport *t)
{
	struct post *p = container_of(t, struct post, transport);

	switch (p->state) {
	case POST_SHAKE: shake(p); break;
	case POST_ASK: write_request(p); break;
	case POST_HEAD: case POST_BODY: read_answer(p); break;
	default: break;
	}
}

/* --- the connection ----------------------------------------------------------------------------------------- */

static void dial_next(struct post *p, int error);

static void connected(struct post *p)
{
	loop_del(&p->dial);
	loop_timer_stop(&p->dial_deadline);
	int r = transport_open_plain(&p->transport, p->loop, p->dialling, on_transport);
	if (r == 0) {
		p->dialling = -1;
		r = tls_begin_client(&p->transport, p->tls, p->at.host, NULL);
	}
	enter(p, POST_SHAKE);
	if (r < 0)
		fail_errno(p, "cannot be talked to", -r);
	else
		shake(p);
}

static void on_dial(struct watch *w, uint32_t events)
{
	struct post *p = container_of(w, struct post, dial);
	int error = 0;
	socklen_t n = sizeof(error);

	(void)events;
	if (getsockopt(p->dialling, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error)
		dial_next(p, error);
	else
		connected(p);
}

static void on_dial_deadline(struct timer *t)
{
	dial_next(container_of(t, struct post, dial_deadline), ETIMEDOUT);
}

/* 0 = connecting; errno */
static int dial(struct post *p, const struct names_address *a)
{
	struct sockaddr_storage sa;
	socklen_t n;
	const uint64_t share_ms = p->budget_ms / (p->addresses + 1); /* one is left for the rest */

	if (!names_sockaddr(a, p->at.port, &sa, &n))
		return EAFNOSUPPORT;
	p->dialling = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->dialling < 0)
		return errno;
	if (connect(p->dialling, (const struct sockaddr *)&sa, n) < 0 && errno != EINPROGRESS)
		return errno;
	int r = loop_add(p->loop, &p->dial, p->dialling, EPOLLOUT, on_dial);
	if (r < 0)
		return -r;
	loop_timer_in(p->loop, &p->dial_deadline, share_ms, on_dial_deadline);
	return 0;
}

static void dial_next(struct post *p, int error)
{
	while (p->next < p->addresses) {
		dial_close(p);
		error = dial(p, &p->address[p->next++]);
		if (error == 0) {
			enter(p, POST_DIAL);
			return;
		}
	}
	fail_errno(p, "cannot be reached", error);
}

static void on_addresses(struct lookup *l)
{
	struct post *p = container_of(l, struct post, lookup);

	if (l->error[0]) {
		fail(p, "cannot be resolved", l->error);
		return;
	}
	memcpy(p->address, l->address, sizeof(p->address));
	p->addresses = l->count;
	dial_next(p, EHOSTUNREACH);
}

/* --- the beginning ------------------------------------------------------------------------------------------ */

static bool build(struct post *p, const char *path, struct strview form)
{
	char authority[URL_AUTHORITY_MAX];
	struct url_hostport at = p->at;

	if (at.port == 443)
		at.port = 0;
	url_authority(&at, authority);
	return buf_printf(&p->out,
	                  "POST %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nUser-Agent: regrelay/%s\r\n"
	                  "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
	                  path, authority, PACKAGE_VERSION, form.n)
	       && buf_put(&p->out, form);
}

/* An address that needs no resolver. */
static bool take_literal(struct post *p)
{
	struct names_address *a = &p->address[0];

	a->family = p->at.v6 ? 6 : 4;
	p->addresses = p->at.literal && inet_pton(p->at.v6 ? AF_INET6 : AF_INET, p->at.host, a->bytes) == 1;
	return p->addresses > 0;
}

static void on_literal(struct deferred *d)
{
	dial_next(container_of(d, struct post, finish), EHOSTUNREACH);
}

void post_start(struct post *p, const struct url_hostport *at, const char *path, struct strview form, const struct tls_context *tls,
                uint64_t budget_ms)
{
	p->state = POST_NAME;
	p->at = *at;
	p->tls = tls;
	p->budget_ms = budget_ms;
	p->status = 0;
	p->final = false;
	p->next = 0;
	buf_wipe(&p->in, &p->bufs);
	buf_wipe(&p->text, &p->bufs);
	post_answer_init(&p->answer);
	loop_timer_in(p->loop, &p->deadline, budget_ms, on_deadline);
	if (buf_borrow(&p->out, &p->bufs) < 0 || buf_borrow(&p->in, &p->bufs) < 0 || buf_borrow(&p->text, &p->bufs) < 0
	    || !build(p, path, form)) {
		fail_errno(p, "cannot be asked", ENOMEM);
		return;
	}
	if (take_literal(p))
		loop_defer(p->loop, &p->finish, on_literal); /* fn must not be called from within */
	else
		lookup_start(&p->lookup, p->at.host, 0);
}

void post_init(struct post *p, struct loop *l, const struct lookup_tuning *tuning, post_fn *fn)
{
	*p = (struct post){ .loop = l, .fn = fn, .dialling = -1, .transport.fd = -1 };
	lookup_init(&p->lookup, l, tuning, on_addresses);
	deferred_init(&p->finish);
	bufpool_init(&p->bufs, BUF_SIZE, 0);
}
