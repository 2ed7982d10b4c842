/* The second half of a walk: token, manifest, and the first byte of a layer.  Keeper. */
#include "doctor_walk_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "token_answer.h"
#include "token_server.h"
#include "urlform.h"

#define WHY_MAX 80

/* What the registry or token server says is wrong, in short: "401: incorrect username or password". */
static const char *said(const struct doctor_exchange *x, char *dst, size_t cap)
{
	char why[WHY_MAX];

	token_answer_why(sv_make(x->body, x->n), why, sizeof(why));
	(void)snprintf(dst, cap, "%u%s%s", x->status, why[0] ? ": " : "", why);
	return dst;
}

/* 401: is it that there are no credentials, or that they are wrong? */
static void broken_login(struct doctor_walk *w, enum doctor_step step, const char *vhost)
{
	char detail[WHY_MAX + 16];

	if (w->secret.authorization)
		doctor_broken_row(w, step, ERROR_CREDENTIALS_REFUSED, vhost, NULL, said(&w->exchange, detail, sizeof(detail)));
	else
		doctor_broken_row(w, step, ERROR_CREDENTIALS_MISSING, vhost, NULL, NULL);
}

/* --- token ------------------------------------------------------------------------------------------------------ */

/* distribution's token authentication: GET realm?service=...&scope=repository:NAME:pull */
static bool put_token_path(struct doctor_walk *w, const struct token_server *t)
{
	char scope[DOCTOR_IMAGE_MAX + 32];
	struct buf b = { .mem = (uint8_t *)w->path, .cap = sizeof(w->path) - 1 };
	struct buf query = { .mem = malloc(sizeof(w->path)), .cap = sizeof(w->path) };

	(void)snprintf(scope, sizeof(scope), "repository:" SV_FMT ":pull", SV_ARG(w->route.repository));
	bool good = query.mem && (w->offer.service.n == 0 || urlform_put(&query, SV("service"), sv_make(w->offer.service.text, w->offer.service.n)))
	            && urlform_put(&query, SV("scope"), sv_str(scope));
	good = good && buf_put(&b, t->path) && buf_put(&b, SV("?")) && buf_put(&b, t->query)
	       && (t->query.n == 0 || buf_put(&b, SV("&"))) && buf_put(&b, buf_view(&query));
	free(query.mem);
	if (good)
		w->path[buf_len(&b)] = '\0';
	return good;
}

enum doctor_go doctor_token_begin(struct doctor_walk *w)
{
	struct token_server t;

	if (w->registry->login || w->open || !w->offer.bearer) {
		doctor_found(w, DOCTOR_TOKEN, DOCTOR_SKIPPED, DOCTOR_NO_MS, "none is needed");
		return DOCTOR_GO_ON;
	}
	if (token_server_find(w->registry, sv_make(w->offer.realm.text, w->offer.realm.n), &t) != ERROR_NONE || !put_token_path(w, &t)) {
		doctor_broken_row(w, DOCTOR_TOKEN, ERROR_TOKEN_REALM, NULL, NULL, "too long");
		return DOCTOR_GO_NEXT;
	}
	doctor_ask(w, ROUTE_TOKEN, t.at, t.https, w->secret.authorization, NULL, 64 * 1024, false);
	return DOCTOR_GO_WAIT;
}

static bool keep_bearer(struct doctor_walk *w, const struct token *t)
{
	static const char scheme[] = "Bearer ";

	w->bearer = malloc(sizeof(scheme) + t->n);
	if (!w->bearer)
		return false;
	memcpy(w->bearer, scheme, sizeof(scheme) - 1);
	memcpy(w->bearer + sizeof(scheme) - 1, t->bytes, t->n);
	w->bearer[sizeof(scheme) - 1 + t->n] = '\0';
	return true;
}

static enum doctor_go take_token(struct doctor_walk *w, const char *vhost)
{
	const struct doctor_exchange *x = &w->exchange;
	struct token t = { .n = 0 };
	struct err why = { .code = 0 };
	uint64_t life_ms;
	char detail[ERROR_TEXT_MAX];

	int r = token_answer_read(TOKEN_ANSWER_REGISTRY, sv_make(x->body, x->n), clock_wall_ms(), &t, &life_ms, &why);
	const bool kept = r == 0 && keep_bearer(w, &t);
	explicit_bzero(t.bytes, sizeof(t.bytes));
	if (kept) {
		doctor_found(w, DOCTOR_TOKEN, DOCTOR_OK, doctor_step_ms(w), "%s gives a token%s, good for %llu s", vhost,
		             w->secret.authorization ? "" : " to anybody", (unsigned long long)life_ms / 1000);
		return DOCTOR_GO_ON;
	}
	(void)snprintf(detail, sizeof(detail), "200, but %.200s", r < 0 ? why.text : "memory is short");
	doctor_broken_row(w, DOCTOR_TOKEN, ERROR_TOKEN_ANSWER, vhost, NULL, detail);
	return DOCTOR_GO_NEXT;
}

enum doctor_go doctor_token_judge(struct doctor_walk *w)
{
	const struct doctor_exchange *x = &w->exchange;
	const char *vhost = x->at ? x->at->authority : w->registry->authority;
	char text[ERROR_TEXT_MAX], internal[URL_AUTHORITY_MAX] = "";

	if (x->at)
		url_authority(&x->at->at, internal);
	if (x->error) {
		doctor_broken(w, DOCTOR_TOKEN, x->error, x->text, x->at ? internal : NULL, x->at ? vhost : NULL);
		return DOCTOR_GO_NEXT;
	}
	if (x->status == 200)
		return take_token(w, vhost);
	if (x->status == 401 || (w->secret.authorization && (x->status == 400 || x->status == 403)))
		broken_login(w, DOCTOR_TOKEN, vhost);
	else
		doctor_broken_row(w, DOCTOR_TOKEN, ERROR_TOKEN_ANSWER, vhost, NULL, said(x, text, sizeof(text)));
	return DOCTOR_GO_NEXT;
}

/* --- manifest --------------------------------------------------------------------------------------------------- */

static const char *authorization(const struct doctor_walk *w)
{
	return w->bearer ? w->bearer : w->open ? NULL : w->secret.authorization;
}

static void ask_manifest(struct doctor_walk *w)
{
	static const struct http_field accept = { SV("Accept"),
		SV("application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
		   "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*") };

	w->path[route_path(&w->route, w->path)] = '\0';
	doctor_ask(w, ROUTE_MANIFEST, NULL, false, authorization(w), &accept, DOCTOR_MANIFEST_MAX, false);
}

enum doctor_go doctor_manifest_begin(struct doctor_walk *w)
{
	ask_manifest(w);
	return DOCTOR_GO_WAIT;
}

static enum doctor_go take_manifest(struct doctor_walk *w)
{
	const struct doctor_exchange *x = &w->exchange;
	struct doctor_manifest *m = &w->manifest;

	if (doctor_manifest_read(sv_make(x->body, x->n), m) < 0 || (m->index && w->indexes++ > 0)) {
		doctor_broken_row(w, DOCTOR_MANIFEST, ERROR_MANIFEST_ANSWER, w->registry->authority, NULL, "200 and something else");
		return DOCTOR_GO_NEXT;
	}
	w->route.reference = sv_str(m->digest);
	if (m->index) {
		memcpy(w->platform, m->platform, sizeof(w->platform));
		ask_manifest(w);
		return DOCTOR_GO_WAIT;
	}
	doctor_found(w, DOCTOR_MANIFEST, DOCTOR_OK, doctor_step_ms(w), "%s%s%s: %u layers of %llu bytes", w->image.reference,
	             w->platform[0] ? " for " : "", w->platform, m->layers, (unsigned long long)m->bytes);
	return DOCTOR_GO_ON;
}

/* The registry's own refusals. */
static void broken_manifest(struct doctor_walk *w)
{
	const char *vhost = w->registry->authority;
	char what[ERROR_TEXT_MAX], text[WHY_MAX + 16];

	(void)snprintf(what, sizeof(what), SV_FMT "%s" SV_FMT, SV_ARG(w->route.repository),
	               memchr(w->route.reference.p, ':', w->route.reference.n) ? "@" : ":", SV_ARG(w->route.reference));
	(void)said(&w->exchange, text, sizeof(text));
	switch (w->exchange.status) {
	case 401: broken_login(w, DOCTOR_MANIFEST, vhost); break;
	case 403: doctor_broken_row(w, DOCTOR_MANIFEST, ERROR_REGISTRY_DENIED, vhost, what, text); break;
	case 404: doctor_broken_row(w, DOCTOR_MANIFEST, ERROR_MANIFEST_UNKNOWN, vhost, what, NULL); break;
	default: doctor_broken_row(w, DOCTOR_MANIFEST, ERROR_MANIFEST_ANSWER, vhost, NULL, text);
	}
}

enum doctor_go doctor_manifest_judge(struct doctor_walk *w)
{
	const struct doctor_exchange *x = &w->exchange;

	if (x->error) {
		doctor_broken(w, DOCTOR_MANIFEST, x->error, x->text, x->error == ERROR_REDIRECT_HOST ? x->location : NULL, NULL);
		return DOCTOR_GO_NEXT;
	}
	if (x->status == 200)
		return take_manifest(w);
	if (x->status == 401 && w->open && !w->registry->login) { /* /v2/ was open to everybody, this repository is not */
		w->open = false;
		w->offer = x->offer;
		doctor_enter(w, DOCTOR_CHALLENGE);
		return DOCTOR_GO_AGAIN;
	}
	broken_manifest(w);
	return DOCTOR_GO_NEXT;
}

/* --- layer, redirect -------------------------------------------------------------------------------------------- */

enum doctor_go doctor_blob_begin(struct doctor_walk *w)
{
	static const struct http_field range = { SV("Range"), SV("bytes=0-0") };

	if (!w->manifest.digest[0]) {
		doctor_found(w, DOCTOR_BLOB, DOCTOR_SKIPPED, DOCTOR_NO_MS, "the image has no layers");
		return DOCTOR_GO_NEXT;
	}
	w->route.kind = ROUTE_BLOB;
	w->path[route_path(&w->route, w->path)] = '\0';
	doctor_ask(w, ROUTE_BLOB, NULL, false, authorization(w), &range, 1, true);
	return DOCTOR_GO_WAIT;
}

static void broken_blob(struct doctor_walk *w)
{
	const struct doctor_exchange *x = &w->exchange;
	char internal[URL_AUTHORITY_MAX] = "";

	if (!x->location[0]) {
		doctor_broken(w, DOCTOR_BLOB, x->error, x->text, NULL, NULL);
		return;
	}
	if (x->at)
		url_authority(&x->at->at, internal);
	doctor_found(w, DOCTOR_BLOB, DOCTOR_OK, DOCTOR_NO_MS, "the registry redirects to %s", x->location);
	doctor_broken(w, DOCTOR_REDIRECT, x->error, x->text, x->at ? internal : x->location, x->at ? x->at->authority : NULL);
}

static enum doctor_go found_blob(struct doctor_walk *w)
{
	const struct doctor_exchange *x = &w->exchange;
	const bool passed = x->status >= 300; /* redirect_pass: the client goes there itself */
	const bool mapped = x->at && strcmp(x->at->authority, x->location) != 0;

	doctor_found(w, DOCTOR_BLOB, DOCTOR_OK, doctor_step_ms(w), passed ? "the registry redirects" : "the first byte of a layer is here");
	if (passed)
		doctor_found(w, DOCTOR_REDIRECT, DOCTOR_UNKNOWN, DOCTOR_NO_MS, "nodes go to %s themselves (redirect_pass)", x->location);
	else if (x->location[0])
		doctor_found(w, DOCTOR_REDIRECT, DOCTOR_OK, DOCTOR_NO_MS, "it comes from %s%s%s", x->location, mapped ? ", mapped as " : "",
		             mapped ? x->at->authority : "");
	else
		doctor_found(w, DOCTOR_REDIRECT, DOCTOR_SKIPPED, DOCTOR_NO_MS, "the registry serves layers itself");
	return DOCTOR_GO_NEXT;
}

enum doctor_go doctor_blob_judge(struct doctor_walk *w)
{
	const struct doctor_exchange *x = &w->exchange;
	char text[WHY_MAX + 16];

	if (x->error) {
		broken_blob(w);
		return DOCTOR_GO_NEXT;
	}
	if (x->status == 200 || x->status == 206 || (x->status >= 300 && x->status < 400))
		return found_blob(w);
	if (x->status == 401)
		broken_login(w, DOCTOR_BLOB, w->registry->authority);
	else
		doctor_broken_row(w, DOCTOR_BLOB, ERROR_BLOB_ANSWER, w->registry->authority, NULL, said(x, text, sizeof(text)));
	return DOCTOR_GO_NEXT;
}
