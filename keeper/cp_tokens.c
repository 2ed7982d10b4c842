/* The tokens for connectivity proxies.  Keeper. */
#include "cp_tokens.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "conf_binding.h"
#include "fingerprint.h"
#include "log.h"
#include "post.h"
#include "secret.h"
#include "token_answer.h"
#include "urlform.h"

#define FORM_MAX (16 * 1024)

struct cp_token {
	struct cp_tokens *all;
	const struct conf_proxy *proxy;
	struct token_entry *entry; /* in shared memory; this is its only writer */
	struct token token;        /* as published */
	char path[PATH_MAX];       /* credentials or token_file, resolved */
	struct timer due, watch;
	struct post post;
	struct tls_context *tls;   /* while a request runs */
	uint64_t seen;             /* fingerprint of what was read last */
	uint64_t asked_ms;
	uint64_t failing_ms;       /* since when; 0 = the last attempt was good, or there was none */
	uint64_t pause_ms;
};

struct cp_tokens {
	struct loop *loop;
	const struct heritage *h;
	void (*listener)(void *owner); /* NULL = nobody listens */
	void *listener_owner;
	uint32_t serial;
	unsigned count;
	struct cp_token token[];
};

static void on_due(struct timer *t);

/* --- what came of it ------------------------------------------------------------------------------------------- */

static void publish(struct cp_token *t)
{
	token_publish(t->entry, &t->token);
	heritage_wake(t->all->h);
	if (t->all->listener)
		t->all->listener(t->all->listener_owner);
}

/* When a token of that life is renewed: 5 minutes or a tenth before its end, but half of a short life is left. */
static uint64_t renew_in_ms(uint64_t life_ms)
{
	uint64_t margin = life_ms / 10 < 300000 ? life_ms / 10 : 300000;

	if (margin < 30000)
		margin = life_ms / 2 < 30000 ? life_ms / 2 : 30000;
	return life_ms - margin;
}

static void good(struct cp_token *t, uint64_t life_ms)
{
	const uint64_t now_ms = loop_now(t->all->loop);

	stats_add(&t->all->h->stats->tokens_ok, 1);
	if (t->failing_ms || t->token.serial == 0)
		log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_STR("upstream", t->proxy->name)), "there is a token for the connectivity proxy%s",
		           t->failing_ms ? " again" : "");
	t->failing_ms = t->pause_ms = 0;
	t->token.state = TOKEN_GOOD;
	t->token.serial = ++t->all->serial;
	t->token.error[0] = '\0';
	/* Counted from the question: it may have taken a while. */
	t->token.until_ms = life_ms == TOKEN_NEVER ? TOKEN_NEVER : t->asked_ms + life_ms;
	publish(t);
	if (life_ms == TOKEN_NEVER)
		loop_timer_stop(&t->due);
	else
		loop_timer_at(t->all->loop, &t->due, now_ms + renew_in_ms(life_ms), on_due);
}

static bool still_valid(const struct cp_token *t, uint64_t now_ms)
{
	return t->token.state == TOKEN_GOOD && t->token.until_ms > now_ms
	       && atomic_load_explicit(&t->entry->refused, memory_order_relaxed) != t->token.serial;
}

static void drop(struct cp_token *t)
{
	explicit_bzero(t->token.bytes, sizeof(t->token.bytes));
	t->token.n = 0;
}

/* lasting: asking again will not help, somebody has to act. */
static void bad(struct cp_token *t, bool lasting, const char *why)
{
	const uint64_t now_ms = loop_now(t->all->loop);
	const bool news = strncmp(t->token.error, why, sizeof(t->token.error) - 1) != 0;

	stats_add(&t->all->h->stats->tokens_failed, 1);
	if (!t->failing_ms)
		t->failing_ms = now_ms ? now_ms : 1;
	const bool valid = still_valid(t, now_ms);
	if (news)
		log_fields(LOG_LEVEL_WARNING, FIELDS(LF_STR("upstream", t->proxy->name)), "no new token for the connectivity proxy%s: %s; asking again",
		           valid ? ", the old one is valid" : "", why);
	(void)snprintf(t->token.error, sizeof(t->token.error), "%s", why);
	if (!valid) {
		drop(t);
		t->token.state = lasting || now_ms - t->failing_ms >= CP_TOKENS_HOPE_MS ? TOKEN_FAILED : TOKEN_PENDING;
	}
	publish(t);
	const uint64_t most_ms = valid || lasting ? CP_TOKENS_PAUSE_MAX : CP_TOKENS_PAUSE_SOON;
	t->pause_ms = t->pause_ms ? t->pause_ms * 2 : CP_TOKENS_PAUSE_MS;
	if (t->pause_ms > most_ms)
		t->pause_ms = most_ms;
	loop_timer_in(t->all->loop, &t->due, t->pause_ms, on_due);
}

/* --- from a token service --------------------------------------------------------------------------------------- */

static void on_answer(struct post *p)
{
	struct cp_token *t = container_of(p, struct cp_token, post);
	char words[96], why[320];
	uint64_t life_ms;
	struct err e;

	tls_context_free(TAKE(t->tls));
	if (p->status == 0) {
		bad(t, p->final, p->error);
	} else if (p->status != 200) {
		token_answer_why(p->body, words, sizeof(words));
		(void)snprintf(why, sizeof(why), "%.60s answers %u%s%s", p->at.host, p->status, words[0] ? ": " : "", words);
		bad(t, p->status < 500 && p->status != 429 && p->status != 408, why);
	} else if (token_answer_read(TOKEN_ANSWER_OAUTH, p->body, clock_wall_ms(), &t->token, &life_ms, &e) < 0) {
		(void)snprintf(why, sizeof(why), "%.60s %.200s", p->at.host, e.text);
		bad(t, false, why);
	} else {
		good(t, life_ms);
	}
}

static bool build_form(const struct cp_token *t, const struct conf_binding *b, struct buf *form)
{
	const char *resource = t->proxy->token_resource;

	return buf_put(form, SV("grant_type=client_credentials")) && urlform_put(form, SV("client_id"), sv_str(b->client_id))
	       && (!b->client_secret || urlform_put(form, SV("client_secret"), sv_str(b->client_secret)))
	       && (!resource[0] || urlform_put(form, SV("resource"), sv_str(resource)));
}

static struct tls_context *open_tls(const struct cp_token *t, const struct conf_binding *b, struct err *reterr)
{
	struct tls_context *c = conf_tls_client(t->proxy->ca_file, reterr);

	if (c && b->certificate && tls_context_certificate(c, sv_str(b->certificate), sv_str(b->key), reterr) < 0) {
		tls_context_free(c);
		return NULL;
	}
	return c;
}

static void ask_service(struct cp_token *t)
{
	struct conf_binding b;
	struct err e;

	if (conf_binding_read(t->proxy, &b, &e) < 0) {
		bad(t, true, e.text);
		return;
	}
	t->tls = open_tls(t, &b, &e);
	struct bufpool pool;
	struct buf form = { 0 };
	bufpool_init(&pool, FORM_MAX, 0);
	if (!t->tls) {
		bad(t, true, e.text);
	} else if (buf_borrow(&form, &pool) < 0 || !build_form(t, &b, &form)) {
		tls_context_free(TAKE(t->tls));
		bad(t, true, "clientid and clientsecret are too long, or memory is short");
	} else {
		post_start(&t->post, &b.at, b.path, buf_view(&form), t->tls, CP_TOKENS_BUDGET_MS);
	}
	buf_wipe(&form, &pool);
	conf_binding_free(&b);
}

/* --- from a file ------------------------------------------------------------------------------------------------ */

static void read_file(struct cp_token *t)
{
	CLEANUP(secret_free_p) char *text = NULL;
	struct err e;
	size_t n;

	if (secret_read(t->path, &text, &n, &e) < 0) {
		bad(t, true, e.text);
	} else if (!token_is_ok(sv_make(text, n))) {
		bad(t, true, "token_file holds no token");
	} else {
		memcpy(t->token.bytes, text, n);
		t->token.n = (uint32_t)n;
		good(t, TOKEN_NEVER);
	}
}

/* --- when ------------------------------------------------------------------------------------------------------- */

static void on_due(struct timer *timer)
{
	struct cp_token *t = container_of(timer, struct cp_token, due);

	t->asked_ms = loop_now(t->all->loop);
	t->seen = fingerprint(t->path); /* before it is read: a change in between is seen later */
	if (t->proxy->credentials[0])
		ask_service(t);
	else
		read_file(t);
}

static void ask_soon(struct cp_token *t, uint64_t at_ms)
{
	if (t->post.state == POST_IDLE && (!t->due.loop || t->due.at_ms > at_ms))
		loop_timer_at(t->all->loop, &t->due, at_ms, on_due);
}

static void on_watch(struct timer *timer)
{
	struct cp_token *t = container_of(timer, struct cp_token, watch);

	if (t->post.state == POST_IDLE && t->seen && fingerprint(t->path) != t->seen) {
		log_fields(LOG_LEVEL_NOTICE, FIELDS(LF_STR("upstream", t->proxy->name)), "%s has changed, reading it again", t->path);
		t->pause_ms = 0;
		ask_soon(t, loop_now(t->all->loop));
	}
	loop_timer_in(t->all->loop, timer, CP_TOKENS_WATCH_MS, on_watch);
}

void cp_tokens_look(struct cp_tokens *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		struct cp_token *t = &all->token[i];
		const uint32_t refused = atomic_load_explicit(&t->entry->refused, memory_order_relaxed);
		if (t->token.serial && refused == t->token.serial)
			ask_soon(t, t->asked_ms + CP_TOKENS_PAUSE_MS);
	}
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* What an earlier keeper of this generation left there, or the generation before gave to this one, is taken over, until there is a
 * new one. */
static void token_init(struct cp_token *t, struct cp_tokens *all, unsigned index, const struct lookup_tuning *tuning)
{
	const struct conf_proxy *p = all->h->conf->proxy[index];
	const char *written = p->credentials[0] ? p->credentials : p->token_file;
	struct err ignored; /* conf_check has looked; reading says it again */

	t->all = all;
	t->proxy = p;
	t->entry = &all->h->shm->token[all->h->gen_index][index];
	if (secret_path(written, t->path, sizeof(t->path), &ignored) < 0)
		t->path[0] = '\0';
	post_init(&t->post, all->loop, tuning, on_answer);
	if (token_read(t->entry, &t->token) < 0)
		t->token = (struct token){ .serial = 0 };
	if (token_last_serial(t->entry) > all->serial)
		all->serial = token_last_serial(t->entry);
	loop_timer_in(all->loop, &t->due, 0, on_due);
	loop_timer_in(all->loop, &t->watch, CP_TOKENS_WATCH_MS, on_watch);
}

static bool wants_token(const struct conf_proxy *p)
{
	return p->auth == CONF_AUTH_BEARER || p->auth == CONF_AUTH_SERVICE_TOKEN;
}

struct cp_tokens *cp_tokens_new(struct loop *l, const struct heritage *h, const struct lookup_tuning *tuning, struct err *reterr)
{
	const struct conf *c = h->conf;
	unsigned count = 0;

	for (unsigned i = 0; i < c->proxies; i++)
		count += wants_token(c->proxy[i]);
	struct cp_tokens *t = calloc(1, sizeof(*t) + count * sizeof(t->token[0]));
	if (!t) {
		(void)err_sys(reterr, -ENOMEM, "cannot set up tokens");
		return NULL;
	}
	t->loop = l;
	t->h = h;
	for (unsigned i = 0; i < c->proxies && i < SHM_TOKENS; i++)
		if (wants_token(c->proxy[i]))
			token_init(&t->token[t->count++], t, i, tuning);
	return t;
}

void cp_tokens_stop(struct cp_tokens *all)
{
	for (unsigned i = 0; all && i < all->count; i++) {
		struct cp_token *t = &all->token[i];
		loop_timer_stop(&t->due);
		loop_timer_stop(&t->watch);
		post_stop(&t->post);
		tls_context_free(TAKE(t->tls));
		drop(t);
	}
}

void cp_tokens_free(struct cp_tokens *t)
{
	free(t);
}

void cp_tokens_listen(struct cp_tokens *t, void (*fn)(void *owner), void *owner)
{
	t->listener = fn;
	t->listener_owner = owner;
}
