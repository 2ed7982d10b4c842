/* What one repository is given out for.  Worker and keeper. */
#include "grant.h"

#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "fetch_impl.h"
#include "login.h"
#include "offer.h"
#include "secret.h"
#include "token_answer.h"
#include "token_server.h"
#include "upstream_impl.h"
#include "urlform.h"

#define FAILED_MS  1000 /* until a token server that failed is asked again */
#define REFUSED_MS 10000 /* until a new token is fetched for a repository that refused one */
#define MARGIN_MS  5000 /* a token is not shown so shortly before its end, or in the last quarter of its life */

struct grant *grant_new(struct login *l, struct strview repository)
{
	struct grant *g = calloc(1, sizeof(*g) + repository.n + 1);

	if (!g)
		return NULL;
	g->login = l;
	list_init(&g->node);
	list_init(&g->waiting);
	if (repository.n)
		memcpy(g->repository, repository.p, repository.n);
	return g;
}

static void end_asking(struct grant *g)
{
	source_free(TAKE(g->asking));
	if (g->answer)
		explicit_bzero(g->answer, GRANT_ANSWER_MAX);
	free(TAKE(g->answer));
	g->answer_bytes = 0;
}

/* What there was to show is of no use. */
static void forget(struct grant *g)
{
	secret_free(TAKE(g->value));
	g->serial = 0;
}

void grant_free(struct grant *g)
{
	assert(list_empty(&g->waiting));
	end_asking(g);
	forget(g);
	free(g->path);
	free(g);
}

static uint64_t now(const struct grant *g)
{
	return loop_now(g->login->upstream->loop);
}

static const struct conf_login *own(const struct grant *g)
{
	return g->login->registry->login;
}

/* --- failures --------------------------------------------------------------------------------------------------- */

static void set_error(struct grant *g, enum error_id id, const char *detail)
{
	g->error = id;
	(void)snprintf(g->detail, sizeof(g->detail), "%.*s", CLASSIFY_DETAIL - 1, detail);
}

static void fail(struct grant *g, enum error_id id, const char *detail)
{
	set_error(g, id, detail);
	g->failed_until_ms = now(g) + FAILED_MS;
}

static void reject(struct grant *g, const char *detail)
{
	fail(g, ERROR_LOGIN_REJECTED, detail);
	g->failed_until_ms = now(g) + LOGIN_REJECTED_MS;
	login_rejected(g->login, detail);
}

void grant_refused(struct grant *g)
{
	forget(g);
	fail(g, ERROR_LOGIN_REJECTED, "it answered 401 to a new token of its token server");
	g->failed_until_ms = now(g) + REFUSED_MS;
}

/* --- the token server ------------------------------------------------------------------------------------------- */

/* Those that wait now look again; some may come to wait anew. */
static void wake(struct grant *g)
{
	struct list waiting;

	list_init(&waiting);
	while (!list_empty(&g->waiting)) {
		struct list *n = g->waiting.next;
		list_del(n);
		list_append(&waiting, n);
	}
	while (!list_empty(&waiting)) {
		struct fetch *f = list_entry(waiting.next, struct fetch, waiting);
		list_del(&f->waiting);
		fetch_queue(f);
	}
}

static const char *server(const struct grant *g)
{
	return g->at ? g->at->authority : g->login->registry->authority;
}

static void count(const struct grant *g, bool good)
{
	struct stats_slot *s = g->login->upstream->heritage->stats;

	stats_add(good ? &s->logins_ok : &s->logins_failed, 1);
}

static void take_token(struct grant *g, const struct token *t, uint64_t life_ms)
{
	const uint64_t margin = life_ms / 4 < MARGIN_MS ? life_ms / 4 : MARGIN_MS;
	static const char scheme[] = "Bearer ";

	forget(g);
	g->value = calloc(1, sizeof(scheme) + t->n);
	if (!g->value) {
		fail(g, ERROR_OVERLOADED, "memory is short");
		return;
	}
	memcpy(g->value, scheme, sizeof(scheme) - 1);
	memcpy(g->value + sizeof(scheme) - 1, t->bytes, t->n);
	g->until_ms = now(g) + life_ms - margin;
	g->serial = ++g->login->serial;
	g->failed_until_ms = 0;
	login_worked(g->login);
}

static void read_token(struct grant *g)
{
	char detail[CLASSIFY_DETAIL];
	uint64_t life_ms = 0;
	struct token t;
	struct err e;

	if (token_answer_read(TOKEN_ANSWER_REGISTRY, sv_make(g->answer, g->answer_bytes), clock_wall_ms(), &t, &life_ms, &e) < 0) {
		(void)snprintf(detail, sizeof(detail), "%.60s %.30s", server(g), e.text);
		fail(g, ERROR_LOGIN_TOKEN, detail);
	} else {
		take_token(g, &t, life_ms);
	}
	explicit_bzero(&t, sizeof(t));
}

static void read_refusal(struct grant *g, unsigned status)
{
	char words[64], detail[CLASSIFY_DETAIL];

	token_answer_why(sv_make(g->answer, g->answer_bytes), words, sizeof(words));
	(void)snprintf(detail, sizeof(detail), "%.48s answered %u%s%.30s", server(g), status, words[0] ? ": " : "", words);
	if (status == 401 || status == 403)
		reject(g, detail);
	else
		fail(g, ERROR_LOGIN_TOKEN, detail);
}

struct answer_sink {
	struct sink sink;
	struct grant *grant;
};

static ssize_t put_answer(struct sink *s, struct strview bytes)
{
	struct grant *g = container_of(s, struct answer_sink, sink)->grant;

	if (bytes.n > GRANT_ANSWER_MAX - g->answer_bytes)
		return -EMSGSIZE;
	if (bytes.n)
		memcpy(g->answer + g->answer_bytes, bytes.p, bytes.n);
	g->answer_bytes += bytes.n;
	return (ssize_t)bytes.n;
}

/* True: all is there, or will never be. */
static bool read_answer(struct grant *g, unsigned status)
{
	struct answer_sink to = { .sink.put = put_answer, .grant = g };
	enum move_result r;
	size_t moved;
	int error;

	do
		r = source_move(g->asking, &to.sink, GRANT_ANSWER_MAX, &moved, &error);
	while (r == MOVE_SOME);
	switch (r) {
	case MOVE_WAIT_SOURCE: return false;
	case MOVE_END:
		if (status / 100 == 2)
			read_token(g);
		else
			read_refusal(g, status);
		return true;
	case MOVE_CUT: fail(g, ERROR_LOGIN_TOKEN, g->asking->failure.text); return true;
	default: fail(g, ERROR_LOGIN_TOKEN, "the token server's answer is too long"); return true;
	}
}

static void on_answer(struct source *s)
{
	struct grant *g = s->owner;
	struct fetch_facts facts;

	switch (s->state) {
	case SOURCE_WAITING: return;
	case SOURCE_FAILED: fail(g, ERROR_LOGIN_TOKEN, s->failure.text); break;
	case SOURCE_HEAD:
		fetch_facts(s, &facts);
		if (!read_answer(g, facts.upstream_status))
			return;
	}
	end_asking(g);
	count(g, g->value != NULL);
	wake(g);
}

static void ask(struct grant *g)
{
	const struct http_field field[] = {
		{ SV("Authorization"), sv_str(own(g)->value) },
		{ SV("Accept"), SV("application/json") },
	};
	const struct fetch_request rq = {
		.registry = g->login->registry, .at = g->at, .https = g->https, .route = ROUTE_TOKEN, .method = HTTP_GET, .path = sv_str(g->path),
		.field = field, .fields = ARRAY_LEN(field), .urgent = true,
	};
	struct err why;

	forget(g);
	g->answer = calloc(1, GRANT_ANSWER_MAX);
	g->asking = g->answer ? fetch_start(g->login->upstream, &rq, on_answer, &why) : NULL;
	if (!g->asking) {
		end_asking(g);
		fail(g, ERROR_OVERLOADED, "memory is short");
		return;
	}
	g->asking->owner = g;
}

/* --- what there is to show -------------------------------------------------------------------------------------- */

enum grant_state grant_look(struct grant *g)
{
	if (g->kind == GRANT_OPEN)
		return GRANT_READY;
	if (g->kind == GRANT_TOKEN && g->value && g->until_ms > now(g))
		return GRANT_READY;
	if (g->asking)
		return GRANT_WAIT;
	if (g->failed_until_ms > now(g))
		return GRANT_FAILED;
	if (login_is_rejected(g->login)) {
		set_error(g, ERROR_LOGIN_REJECTED, g->login->rejected);
		return GRANT_FAILED;
	}
	if (g->kind == GRANT_OWN)
		return GRANT_READY;
	ask(g);
	return g->asking ? GRANT_WAIT : GRANT_FAILED;
}

const char *grant_value(const struct grant *g)
{
	switch (g->kind) {
	case GRANT_OPEN: return NULL;
	case GRANT_OWN: return own(g)->value;
	case GRANT_TOKEN: break;
	}
	return g->value;
}

/* --- challenges ------------------------------------------------------------------------------------------------- */

static bool build_path(struct grant *g, const struct token_server *t, const struct offer *o)
{
	struct bufpool *pool = &g->login->upstream->bufs;
	struct buf b = { .mem = NULL }, form = { .mem = NULL };
	bool ok = buf_borrow(&b, pool) == 0 && buf_borrow(&form, pool) == 0;

	if (ok && o->service.n)
		ok = urlform_put(&form, SV("service"), sv_make(o->service.text, o->service.n));
	if (ok && o->scope.n)
		ok = urlform_put(&form, SV("scope"), sv_make(o->scope.text, o->scope.n));
	ok = ok && buf_put(&b, t->path) && buf_put(&b, t->query.n || buf_len(&form) ? SV("?") : SV_NONE) && buf_put(&b, t->query)
	     && buf_put(&b, t->query.n && buf_len(&form) ? SV("&") : SV_NONE) && buf_put(&b, buf_view(&form));
	free(g->path);
	g->path = ok ? strndup(buf_view(&b).p, buf_len(&b)) : NULL;
	buf_return(&b, pool);
	buf_return(&form, pool);
	return g->path != NULL;
}

static bool take_bearer(struct grant *g, const struct offer *o)
{
	struct token_server t;
	const enum error_id id = token_server_find(g->login->registry, sv_make(o->realm.text, o->realm.n), &t);

	if (id != ERROR_NONE) {
		set_error(g, id, t.detail);
		return false;
	}
	forget(g);
	g->kind = GRANT_TOKEN;
	g->at = t.at;
	g->https = t.https;
	if (build_path(g, &t, o))
		return true;
	g->kind = GRANT_OPEN;
	set_error(g, ERROR_OVERLOADED, "memory is short");
	return false;
}

static bool take_own(struct grant *g)
{
	forget(g);
	g->kind = GRANT_OWN;
	g->serial = ++g->login->serial;
	return true;
}

/* User and password may go to a token server: true when that decides, for it can be asked (*ret_taken), or there is no other way. */
static bool token_server_settles(struct grant *g, const struct offer *o, bool *ret_taken)
{
	if (own(g)->bearer || !o->bearer)
		return false;
	*ret_taken = take_bearer(g, o);
	return *ret_taken || !o->basic;
}

/* A token that came with the file is shown to whoever asks for one; user and password go to a token server rather than to
 * the registry, when it offers both. */
static bool take_offer(struct grant *g, const struct offer *o)
{
	bool taken;

	if (own(g)->bearer && o->bearer)
		return take_own(g);
	if (token_server_settles(g, o, &taken))
		return taken;
	if (!own(g)->bearer && o->basic)
		return take_own(g);
	set_error(g, ERROR_LOGIN_REJECTED, own(g)->bearer ? "it takes no token" : "it offers neither Basic nor Bearer");
	return false;
}

bool grant_challenged(struct grant *g, uint32_t shown, const struct http_head *h)
{
	struct offer o;
	bool taken;

	if (shown != g->serial) /* meanwhile there is something else to show */
		return true;
	if (g->asking) /* somebody else was told the same */
		return true;
	offer_read(h, &o);
	if (!shown || g->kind != GRANT_OWN)
		return take_offer(g, &o);
	if (token_server_settles(g, &o, &taken)) /* it has come to want tokens */
		return taken;
	reject(g, "it answered 401");
	return false;
}
