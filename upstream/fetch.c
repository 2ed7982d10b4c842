/* One exchange with an upstream: the object, its states and deadlines, its ends.  Worker and keeper. */
#include "fetch_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "ask.h"
#include "login.h"
#include "path_shares.h"

enum deadline {
	DEADLINE_NONE,
	DEADLINE_PATIENCE,
	DEADLINE_BUDGET,
	DEADLINE_ADDRESS,
	DEADLINE_TEXT,
	DEADLINE_PAUSE,
	DEADLINE_STALL,
	DEADLINE_GRACE
};

static const struct state_row {
	const char *name;
	enum deadline deadline;
	const char *waits_for;
} rows[FETCH_STATES] = {
#define S(state, name, deadline, why) [FETCH_##state] = { name, DEADLINE_##deadline, why },
#include "fetch_states.def"
#undef S
};

/* How long the text of an error may take once its head is there. */
#define TEXT_MS 2000

/* --- deadlines ----------------------------------------------------------------------------------------- */

static void on_budget(struct timer *t)
{
	fetch_expired(container_of(t, struct fetch, deadline));
}

static void on_patience(struct timer *t)
{
	struct fetch *f = container_of(t, struct fetch, deadline);

	loop_timer_at(f->upstream->loop, &f->deadline, f->budget_at_ms, on_budget);
	f->source.due_ms = f->budget_at_ms;
	pool_insist(f->pool, &f->waiter);
}

static void on_address(struct timer *t)
{
	fetch_dial_expired(container_of(t, struct fetch, deadline));
}

static void on_text(struct timer *t)
{
	fetch_judge(container_of(t, struct fetch, deadline));
}

static void on_pause(struct timer *t)
{
	struct fetch *f = container_of(t, struct fetch, deadline);

	if (f->state == FETCH_RESUME)
		fetch_resume_attempt(f);
	else
		fetch_queue(f);
}

static void on_grace(struct timer *t)
{
	fetch_park(container_of(t, struct fetch, deadline));
}

static void on_stall(struct timer *t)
{
	fetch_stalled(container_of(t, struct fetch, deadline));
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void arm(struct fetch *f, enum deadline d)
{
	struct loop *l = f->upstream->loop;
	uint64_t now = loop_now(l), budget = f->budget_at_ms, left;

	switch (d) {
	case DEADLINE_NONE: loop_timer_stop(&f->deadline); break;
	case DEADLINE_PATIENCE:
		if (f->waiter.insists)
			loop_timer_at(l, &f->deadline, budget, on_budget);
		else
			loop_timer_at(l, &f->deadline, sooner(f->patience_at_ms, budget), on_patience);
		break;
	case DEADLINE_BUDGET: loop_timer_at(l, &f->deadline, budget, on_budget); break;
	case DEADLINE_ADDRESS:
		left = f->dial_until_ms - sooner(now, f->dial_until_ms);
		loop_timer_at(l, &f->deadline, now + dial_share_ms(&f->dial, left), on_address);
		break;
	case DEADLINE_TEXT: loop_timer_at(l, &f->deadline, sooner(now + TEXT_MS, budget), on_text); break;
	case DEADLINE_PAUSE: loop_timer_at(l, &f->deadline, f->again_at_ms, on_pause); break;
	case DEADLINE_STALL: loop_timer_in(l, &f->deadline, f->pool->proxy->stall_timeout, on_stall); break;
	case DEADLINE_GRACE: loop_timer_in(l, &f->deadline, f->pool->proxy->stall_grace, on_grace); break;
	}
	f->source.due_ms = f->deadline.loop ? f->deadline.at_ms : 0;
}

/* How many bodies wait for their client without a connection. */
static void count_parked(const struct fetch *f, enum fetch_state next)
{
	_Atomic uint64_t *gauge = &f->upstream->heritage->stats->parked;

	if (f->state != FETCH_PARKED && next == FETCH_PARKED)
		stats_add(gauge, 1);
	if (f->state == FETCH_PARKED && next != FETCH_PARKED)
		stats_sub(gauge, 1);
}

/* The time that the upstream takes is not its client's. */
static void count_dry(struct fetch *f, enum fetch_state next)
{
	const uint64_t now = loop_now(f->upstream->loop);

	if (f->state != FETCH_BODY_WAIT && next == FETCH_BODY_WAIT)
		f->resume.dry_ms = now;
	if (f->state == FETCH_BODY_WAIT && next != FETCH_BODY_WAIT)
		f->resume.answer_ms += now - f->resume.dry_ms;
}

void fetch_set(struct fetch *f, enum fetch_state state)
{
	const struct state_row *row = &rows[state];

	if (f->state != state)
		log_fields(LOG_LEVEL_DEBUG,
		           FIELDS(LF_SV("request_id", f->rq.id), LF_INT("attempt", f->facts.tries)),
		           "fetch %s -> %s, waiting for %s", rows[f->state].name, row->name, row->waits_for);
	count_parked(f, state);
	count_dry(f, state);
	f->state = state;
	f->source.waits_for = row->waits_for;
	arm(f, row->deadline);
	if (f->resume.under_way) /* nothing else tells what it waits for now */
		fetch_tell(f);
}

/* --- telling the session ------------------------------------------------------------------------------- */

static void on_notify(struct deferred *d)
{
	struct fetch *f = container_of(d, struct fetch, notify);

	f->source.fn(&f->source); /* may free f: nothing after it */
}

void fetch_tell(struct fetch *f)
{
	loop_defer(f->upstream->loop, &f->notify, on_notify);
}

/* --- ends ---------------------------------------------------------------------------------------------- */

void fetch_error_set(struct fetch_error *e, enum error_id id, const char *fmt, ...)
{
	va_list ap;

	e->id = id;
	va_start(ap, fmt);
	(void)vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
}

void fetch_give_back(struct fetch *f)
{
	struct conn *c = TAKE(f->conn);

	if (c)
		pool_give(f->pool, c);
}

void fetch_drop_conn(struct fetch *f, bool reset)
{
	fetch_stop_trying(f);
	buf_return(&f->out, &f->upstream->bufs);
	conn_close(TAKE(f->conn), reset);
}

void fetch_count_failure(const struct fetch *f, enum error_id id)
{
	struct stats_upstream *s = f->pool->stats;

	if (id == ERROR_LINE_TOO_LONG) /* the client's, before anything was tried */
		return;
	stats_add(&s->errors[error_row(id)->reason], 1);
	if (id == ERROR_OVERLOADED) /* ours: it says nothing about the way */
		return;
	stats_set(&s->last_error_ms, loop_now(f->upstream->loop));
	atomic_store_explicit(&s->last_error, id, memory_order_relaxed);
}

void fetch_deliver(struct fetch *f)
{
	const struct http_head *h = &f->response.head;

	f->source.head = h;
	f->source.framing = h->framing;
	f->source.length = h->framing == HTTP_BODY_LENGTH ? h->content_length : 0;
	fetch_resume_learn(f);
	f->source.state = SOURCE_HEAD;
	f->facts.first_byte_ms = loop_now(f->upstream->loop) - f->started_ms;
	stats_set(&f->pool->stats->last_success_ms, loop_now(f->upstream->loop));
	path_seen_good(f->upstream, f->key);
	fetch_set(f, FETCH_READY);
	fetch_tell(f);
}

static void render(struct fetch *f, const struct fetch_error *e)
{
	struct strview rest = f->rq.path, path = SV_NONE;
	char proxy[URL_AUTHORITY_MAX];

	url_authority(&f->pool->proxy->address, proxy);
	(void)sv_cut(&rest, '?', &path); /* what follows may be somebody's secret */
	const struct error_context ctx = {
		.proxy = sv_str(proxy), .vhost = sv_str(f->key->authority),
		.location = sv_str(f->key->location_id), .path = path, .detail = sv_str(e->detail),
	};
	error_render(e->id, &ctx, f->source.failure.text);
	f->source.failure.id = e->id;
}

void fetch_fail(struct fetch *f, const struct fetch_error *e)
{
	if (fetch_head_is_out(f)) {
		fetch_resume_failed(f, e, fetch_resume_passes(e->id));
		return;
	}
	fetch_drop_conn(f, true);
	pool_leave(f->pool, &f->waiter);
	list_del(&f->waiting);
	render(f, e);
	fetch_count_failure(f, e->id);
	f->source.state = SOURCE_FAILED;
	fetch_set(f, FETCH_FAILED);
	fetch_tell(f);
}

void fetch_fail_memory(struct fetch *f)
{
	struct fetch_error e;

	fetch_error_set(&e, ERROR_OVERLOADED, "memory is short");
	fetch_fail(f, &e);
}

void fetch_cut(struct fetch *f, enum error_id id, const char *detail)
{
	fetch_drop_conn(f, true);
	f->source.failure.id = id;
	(void)snprintf(f->source.failure.text, sizeof(f->source.failure.text),
	               "the answer of %s broke off after %llu bytes: %s", f->key->authority,
	               (unsigned long long)f->source.moved, detail);
	fetch_count_failure(f, id);
	f->resume.under_way = false;
	fetch_set(f, FETCH_CUT);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void bury(struct grave *g)
{
	struct fetch *f = container_of(g, struct fetch, grave);

	free(f->path);
	free(f);
}

static void fetch_free(struct source *s)
{
	struct fetch *f = container_of(s, struct fetch, source);

	/* Without a body the head is all, whether or not the session asked for the rest. */
	if (f->state == FETCH_READY && f->body.ended && !f->probing && f->response.head.keep_alive) {
		buf_consume(&f->conn->in, f->response.head.bytes);
		fetch_give_back(f);
	}
	fetch_drop_conn(f, true);
	pool_leave(f->pool, &f->waiter);
	list_del(&f->waiting);
	if (f->grant)
		login_release(TAKE(f->grant));
	count_parked(f, FETCH_DONE);
	loop_timer_stop(&f->deadline);
	loop_defer_cancel(&f->notify);
	f->upstream->fetches--;
	upstream_bury(f->upstream, &f->grave, bury);
}

static const struct source_ops ops = { fetch_move, fetch_free };

/* The budget's share that is spent in the queue before only the hard limit counts: 15 s of the usual 25. */
static uint64_t patience_ms(uint64_t budget_ms)
{
	return budget_ms / 5 * 3;
}

static struct fetch *fetch_new(struct upstream *u, const struct fetch_request *rq, source_fn *fn)
{
	struct fetch *f = malloc(sizeof(*f) + (rq->fields + RESUME_FIELDS) * sizeof(f->field[0]));

	if (!f)
		return NULL;
	memset(f, 0, offsetof(struct fetch, response.head.field));
	struct login *login = rq->login ? upstream_login(u, rq->registry) : NULL;
	f->grant = login ? login_hold(login, rq->repository) : NULL;
	if (login && !f->grant) {
		free(f);
		return NULL;
	}
	f->upstream = u;
	f->key = upstream_key(u, rq->registry, rq->at, rq->https);
	f->pool = f->key->pool;
	f->rq = *rq;
	f->rq.field = f->field;
	f->rq.anonymous |= f->grant != NULL;
	if (rq->fields)
		memcpy(f->field, rq->field, rq->fields * sizeof(f->field[0]));
	f->source = (struct source){ .ops = &ops, .fn = fn, .state = SOURCE_WAITING };
	f->waiter = (struct waiter){ .key = f->key, .granted = fetch_granted, .urgent = rq->urgent,
	                             .fresh = rq->method == HTTP_POST };
	list_init(&f->waiter.node);
	list_init(&f->waiting);
	list_init(&f->grave.node);
	deferred_init(&f->notify);
	f->started_ms = loop_now(u->loop);
	f->budget_from_ms = f->started_ms;
	f->budget_at_ms = f->started_ms + f->pool->proxy->header_budget;
	f->patience_at_ms = f->started_ms + patience_ms(f->pool->proxy->header_budget);
	f->first_at = rq->at;
	f->first_https = rq->https;
	f->first_path = rq->path;
	f->facts.proxy = f->pool->proxy;
	f->facts.at = rq->at;
	u->fetches++;
	return f;
}

struct source *fetch_start(struct upstream *u, const struct fetch_request *rq, source_fn *fn,
                           struct err *reterr)
{
	struct fetch *f = fetch_new(u, rq, fn);
	struct fetch_error e;
	struct strview what;

	if (!f) {
		(void)err_sys(reterr, -ENOMEM, "cannot begin an exchange");
		return NULL;
	}
	if (!ask_fits(rq, &what)) {
		fetch_error_set(&e, ERROR_LINE_TOO_LONG, SV_FMT, SV_ARG(what));
		fetch_fail(f, &e);
	} else {
		fetch_queue(f);
	}
	return &f->source;
}

void fetch_facts(const struct source *s, struct fetch_facts *ret)
{
	*ret = container_of((struct source *)(uintptr_t)s, struct fetch, source)->facts;
}
