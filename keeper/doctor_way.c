/* The first half of a walk: from the name of an image to the registry's challenge.  Keeper. */
#include "doctor_walk_impl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "token_server.h"

/* --- image ------------------------------------------------------------------------------------------------------ */

/* What clients would meet, when the port they are told is not the one that the relay knows of. */
static void compare_ports(struct doctor_walk *w)
{
	const unsigned ours = w->h->conf->listen.public_port, theirs = doctor_image_port(&w->image);

	if (ours && doctor_image_is_local(&w->image) && ours != theirs)
		doctor_report_warn(&w->report, "the image's name begins with %s, but public_port of the relay is %u: if that is its NodePort, "
		                   "a node asks somebody else", w->image.host, ours);
	if (w->image.nameless)
		doctor_report_warn(&w->report, "the image's name has no registry in it: nodes ask docker.io, unless their hosts.toml sends "
		                   "them here; write localhost:%u/...", conf_public_port(w->h->conf));
}

enum doctor_go doctor_image_begin(struct doctor_walk *w)
{
	struct err why = { .code = 0 };
	const char *host = w->image.host;

	if (doctor_image_parse(w->h->conf, sv_str(w->order.image), &w->image, &why) < 0) {
		doctor_report_visit(&w->report, NULL);
		doctor_broken_row(w, DOCTOR_IMAGE, ERROR_IMAGE_NAME, NULL, NULL, why.text);
		return DOCTOR_GO_NEXT;
	}
	const bool passes = route_find(w->h->conf, sv_str(w->image.target), sv_str(w->image.by_ns ? "localhost" : host), &w->route);
	w->registry = w->route.registry;
	doctor_report_visit(&w->report, w->registry);
	if (!passes) {
		doctor_broken_row(w, DOCTOR_IMAGE, w->route.error, NULL, NULL, w->route.detail);
		return DOCTOR_GO_NEXT;
	}
	compare_ports(w);
	doctor_found(w, DOCTOR_IMAGE, DOCTOR_OK, DOCTOR_NO_MS, SV_FMT " of registry %s%s%s", SV_ARG(w->route.repository), w->registry->name,
	             w->image.by_ns ? ", by ns=" : "", w->image.by_ns ? host : "");
	return DOCTOR_GO_ON;
}

/* --- secret ----------------------------------------------------------------------------------------------------- */

enum doctor_go doctor_secret_begin(struct doctor_walk *w)
{
	struct doctor_secret *s = &w->secret;

	if (w->registry->login) {
		doctor_found(w, DOCTOR_SECRET, DOCTOR_SKIPPED, DOCTOR_NO_MS, "the relay has credentials of its own for this registry");
		return DOCTOR_GO_ON;
	}
	if (!w->order.auths) {
		doctor_found(w, DOCTOR_SECRET, DOCTOR_SKIPPED, DOCTOR_NO_MS, "none was given");
		return DOCTOR_GO_ON;
	}
	if (doctor_secret_find(w->order.auths, w->image.host, doctor_image_repository(&w->image), s) < 0) {
		doctor_broken_row(w, DOCTOR_SECRET, ERROR_OVERLOADED, NULL, NULL, "memory is short");
		return DOCTOR_GO_NEXT;
	}
	if (!s->fits)
		doctor_broken_row(w, DOCTOR_SECRET, ERROR_SECRET_KEY, w->image.host, NULL, s->keys[0] ? s->keys : "none at all");
	else if (!s->authorization)
		doctor_broken_row(w, DOCTOR_SECRET, ERROR_SECRET_ENTRY, w->image.host, NULL, s->why);
	else
		doctor_found(w, DOCTOR_SECRET, DOCTOR_OK, DOCTOR_NO_MS, "it has an entry for %s", w->image.host);
	return DOCTOR_GO_ON; /* also a useless one: whether the way is sound up to the login is worth knowing */
}

/* --- name ------------------------------------------------------------------------------------------------------- */

enum doctor_go doctor_name_begin(struct doctor_walk *w)
{
	const struct conf_proxy *p = w->registry->proxy;

	if (p->name_index < 0) {
		doctor_found(w, DOCTOR_NAME, DOCTOR_SKIPPED, DOCTOR_NO_MS, "%s is an address", p->address.host);
		return DOCTOR_GO_ON;
	}
	lookup_start(&w->lookup, p->address.host, 0);
	return DOCTOR_GO_WAIT;
}

static void list_addresses(const struct lookup *l, char *dst, size_t cap)
{
	size_t n = 0;

	dst[0] = '\0';
	for (unsigned i = 0; i < l->count && n + INET6_ADDRSTRLEN + 3 < cap; i++) {
		char text[INET6_ADDRSTRLEN] = "?";
		(void)inet_ntop(l->address[i].family == 4 ? AF_INET : AF_INET6, l->address[i].bytes, text, sizeof(text));
		n += (size_t)snprintf(dst + n, cap - n, "%s%s", i ? ", " : "", text);
	}
}

/* What pulls use is in shared memory: good addresses stay there when a name does not resolve any more. */
static bool has_addresses(const struct doctor_walk *w)
{
	const int i = w->registry->proxy->name_index;
	struct names_entry e;

	return i < SHM_NAMES && names_read(&w->h->shm->names[w->h->gen_index][i], &e) == 0 && e.state == NAMES_GOOD && e.count > 0;
}

enum doctor_go doctor_name_judge(struct doctor_walk *w)
{
	const char *name = w->registry->proxy->address.host;
	char addresses[ERROR_TEXT_MAX];

	list_addresses(&w->lookup, addresses, sizeof(addresses));
	if (!w->lookup.error[0]) {
		doctor_found(w, DOCTOR_NAME, DOCTOR_OK, doctor_step_ms(w), "%s is %s", name, addresses);
	} else if (has_addresses(w)) {
		doctor_report_warn(&w->report, "%s does not resolve now (%s); pulls use the addresses it had before", name, w->lookup.error);
		doctor_found(w, DOCTOR_NAME, DOCTOR_OK, doctor_step_ms(w), "the addresses it had before");
	} else {
		doctor_broken_row(w, DOCTOR_NAME, w->registry->proxy->direct ? ERROR_REGISTRY_NAME : ERROR_PROXY_NAME,
		                  w->registry->authority, NULL, w->lookup.error);
		return DOCTOR_GO_NEXT;
	}
	return DOCTOR_GO_ON;
}

/* --- proxy, tunnel, mapping, registry ---------------------------------------------------------------------------- */

enum doctor_go doctor_ping_begin(struct doctor_walk *w)
{
	(void)snprintf(w->path, sizeof(w->path), "/v2/");
	doctor_ask(w, ROUTE_PING, NULL, false, NULL, NULL, 64 * 1024, true);
	return DOCTOR_GO_WAIT;
}

/* Who on the way says so. */
static enum doctor_step hop_of(enum error_id id)
{
	switch (id) {
	case ERROR_PROXY_NAME: case ERROR_REGISTRY_NAME: return DOCTOR_NAME;
	case ERROR_PROXY_UNREACHABLE: case ERROR_PROXY_TIMEOUT: case ERROR_PROXY_TOKEN: case ERROR_PROXY_TOKEN_MISSING:
	case ERROR_PROXY_TOKEN_REFUSED: case ERROR_PROXY_REFUSED: case ERROR_PATH_SHARES: case ERROR_OVERLOADED:
	case ERROR_LINE_TOO_LONG: case ERROR_PROXY_CREDENTIALS: case ERROR_PROXY_CREDENTIALS_REFUSED: case ERROR_PROXY_MALFORMED:
	case ERROR_REGISTRY_UNREACHABLE: case ERROR_REGISTRY_TIMEOUT: return DOCTOR_PROXY;
	case ERROR_TUNNEL_DOWN: case ERROR_TUNNEL_TIMEOUT: return DOCTOR_TUNNEL;
	case ERROR_MAPPING_MISSING: case ERROR_PATH_DENIED: case ERROR_SOCKS_REFUSED: case ERROR_CONNECT_REFUSED: return DOCTOR_MAPPING;
	case ERROR_TOKEN_HOST: case ERROR_TOKEN_REALM: return DOCTOR_CHALLENGE; /* of the relay's own login, which is within the exchange */
	case ERROR_LOGIN_REJECTED: case ERROR_LOGIN_TOKEN: return DOCTOR_TOKEN;
	default: return DOCTOR_REGISTRY;
	}
}

/* Silence and what nobody signs may come from any hop behind the proxy. */
static bool tells_of_hops(enum error_id id)
{
	return id != ERROR_UPSTREAM_TIMEOUT && id != ERROR_UPSTREAM_CLOSED && id != ERROR_UPSTREAM_ERROR && id != ERROR_UPSTREAM_MALFORMED;
}

/* A tunnel of an ordinary proxy, or none at all: there is no Cloud Connector on the way. */
static void found_no_connector(struct doctor_walk *w, enum doctor_step until)
{
	const struct conf_registry *g = w->registry;
	const char *why = g->proxy->direct ? "this registry is asked without a proxy" : "an ordinary proxy has no Cloud Connector";

	if (until > DOCTOR_TUNNEL)
		doctor_found(w, DOCTOR_TUNNEL, DOCTOR_SKIPPED, DOCTOR_NO_MS, "%s", why);
	if (until > DOCTOR_MAPPING && g->proxy->direct)
		doctor_found(w, DOCTOR_MAPPING, DOCTOR_SKIPPED, DOCTOR_NO_MS, "%s", why);
	else if (until > DOCTOR_MAPPING)
		doctor_found(w, DOCTOR_MAPPING, DOCTOR_OK, DOCTOR_NO_MS, "the proxy opens tunnels to %s", g->authority);
}

/* The hops before `until`, which the exchange came through. */
static void found_way(struct doctor_walk *w, enum doctor_step until)
{
	const struct doctor_exchange *x = &w->exchange;
	const struct conf_registry *g = w->registry;
	char proxy[URL_AUTHORITY_MAX];
	const bool known = tells_of_hops(x->error);

	url_authority(&g->proxy->address, proxy);
	if (until > DOCTOR_PROXY)
		doctor_found(w, DOCTOR_PROXY, DOCTOR_OK, x->connect_ms, "%s accepts connections", proxy);
	if (g->proxy->direct || g->proxy->protocol == CONF_PROTOCOL_CONNECT) {
		found_no_connector(w, until);
		return;
	}
	if (until > DOCTOR_TUNNEL)
		doctor_found(w, DOCTOR_TUNNEL, known ? DOCTOR_OK : DOCTOR_UNKNOWN, DOCTOR_NO_MS, "%s%s%s",
		             known ? "a Cloud Connector is connected" : "what came tells nothing of it",
		             g->location_id[0] ? ", location id " : "", g->location_id);
	if (until > DOCTOR_MAPPING && known)
		doctor_found(w, DOCTOR_MAPPING, DOCTOR_OK, DOCTOR_NO_MS, "%s is exposed", g->authority);
	else if (until > DOCTOR_MAPPING)
		doctor_found(w, DOCTOR_MAPPING, DOCTOR_UNKNOWN, DOCTOR_NO_MS, "what came tells nothing of it");
}

enum doctor_go doctor_ping_judge(struct doctor_walk *w)
{
	const struct doctor_exchange *x = &w->exchange;
	const enum doctor_step hop = x->error ? hop_of(x->error) : DOCTOR_REGISTRY;
	char text[32];

	found_way(w, hop);
	if (hop > DOCTOR_REGISTRY)
		doctor_found(w, DOCTOR_REGISTRY, DOCTOR_OK, DOCTOR_NO_MS, "/v2/ is answered 401");
	if (x->error) {
		const bool redirected = x->error == ERROR_REDIRECT_HOST;
		doctor_broken(w, hop, x->error, x->text, redirected ? x->location : NULL, NULL);
		return DOCTOR_GO_NEXT;
	}
	if (x->status != 200 && x->status != 401) {
		(void)snprintf(text, sizeof(text), "%u", x->status);
		doctor_broken_row(w, DOCTOR_REGISTRY, ERROR_REGISTRY_ANSWER, w->registry->authority, NULL, text);
		return DOCTOR_GO_NEXT;
	}
	doctor_found(w, DOCTOR_REGISTRY, DOCTOR_OK, x->ms - (x->connect_ms < x->ms ? x->connect_ms : x->ms), "/v2/ is answered %u", x->status);
	w->offer = x->offer;
	w->open = x->status == 200;
	return DOCTOR_GO_ON;
}

/* --- challenge -------------------------------------------------------------------------------------------------- */

static enum doctor_go bearer(struct doctor_walk *w)
{
	struct token_server t;
	const enum error_id id = token_server_find(w->registry, sv_make(w->offer.realm.text, w->offer.realm.n), &t);

	if (id) {
		doctor_broken_row(w, DOCTOR_CHALLENGE, id, NULL, NULL, t.detail);
		return DOCTOR_GO_NEXT;
	}
	doctor_found(w, DOCTOR_CHALLENGE, DOCTOR_OK, DOCTOR_NO_MS, "Bearer; tokens are at %.*s of %s", (int)(t.path.n < 80 ? t.path.n : 80),
	             t.path.p, t.at ? t.at->authority : w->registry->authority);
	return DOCTOR_GO_ON;
}

enum doctor_go doctor_challenge_begin(struct doctor_walk *w)
{
	enum doctor_go next = DOCTOR_GO_ON;

	if (w->open)
		doctor_found(w, DOCTOR_CHALLENGE, DOCTOR_OK, DOCTOR_NO_MS, w->registry->login ? "answered with the relay's own credentials"
		                                                                               : "none: no login is wanted");
	else if (w->offer.bearer)
		next = bearer(w);
	else if (w->offer.basic)
		doctor_found(w, DOCTOR_CHALLENGE, DOCTOR_OK, DOCTOR_NO_MS, "Basic: user and password go to the registry itself");
	else {
		doctor_broken_row(w, DOCTOR_CHALLENGE, ERROR_CHALLENGE_UNKNOWN, w->registry->authority, NULL, NULL);
		return DOCTOR_GO_NEXT;
	}
	const bool useless = w->order.auths && !w->secret.authorization && !w->registry->login;
	return !w->order.image[0] || useless ? DOCTOR_GO_NEXT : next;
}
