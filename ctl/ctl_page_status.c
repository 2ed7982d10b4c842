/* The page of `regctl status`: what to write into image names first, then how everything is.  Regctl. */
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "ctl_json.h"
#include "ctl_pages.h"
#include "ctl_table.h"

static const json_t *find_upstream(const json_t *status, const char *name)
{
	size_t i;
	json_t *u;

	json_array_foreach(json_object_get(status, "upstreams"), i, u)
		if (strcmp(ctl_json_text(u, "name"), name) == 0)
			return u;
	return NULL;
}

/* How the way to the registry is, in words. */
static void put_path_state(struct ctl_table *t, const json_t *status, const json_t *registry)
{
	const char *daemon = ctl_json_text(status, "state");
	const json_t *u = find_upstream(status, ctl_json_text(registry, "upstream"));
	const char *state = ctl_json_text(u, "state");

	if (strcmp(daemon, "serving") != 0)
		ctl_table_put(t, "the relay is %s", daemon);
	else if (strcmp(state, "up") == 0)
		ctl_table_put(t, "path up");
	else if (strcmp(state, "down") == 0)
		ctl_table_put(t, "path DOWN: %s", ctl_json_text(json_object_get(u, "last_error"), "id"));
	else
		ctl_table_put(t, "path not tried yet");
}

/* Which image names lead to the registry: the rules of [registry], in the order in which they are looked at. */
static void put_use(struct ctl_table *t, const json_t *registry, double port)
{
	const char *prefix = ctl_json_text(registry, "prefix"), *ns = ctl_json_text(registry, "ns");
	const char *host = ctl_json_text(registry, "match_host");

	if (json_is_true(json_object_get(registry, "default")))
		ctl_table_put(t, "use localhost:%.0f/...", port);
	else if (prefix[0])
		ctl_table_put(t, "use localhost:%.0f/%s/...", port, prefix);
	else if (host[0])
		ctl_table_put(t, "use %s/... (Host)", host);
	else if (ns[0])
		ctl_table_put(t, "use localhost:%.0f/... with ns=%s", port, ns);
	else
		ctl_table_put(t, "no image name leads there (ns, prefix, match_host)");
}

static void put_registry(struct ctl_table *t, const json_t *status, const json_t *registry)
{
	put_use(t, registry, ctl_json_number(status, "public_port"));
	ctl_table_put(t, "for %s", ctl_json_text(registry, "host"));
	put_path_state(t, status, registry);
}

static void print_uses(const json_t *status, FILE *out)
{
	const json_t *registries = json_object_get(status, "registries");
	struct ctl_table t;
	size_t i;
	json_t *r;

	ctl_table_init(&t, 3);
	for (int others = 0; others < 2; others++)
		json_array_foreach(registries, i, r)
			if (json_is_true(json_object_get(r, "default")) == !others)
				put_registry(&t, status, r);
	ctl_table_print(&t, out);
}

static void put_reload(struct ctl_table *t, const json_t *status)
{
	const json_t *reload = json_object_get(status, "last_reload");
	const char *result = ctl_json_text(reload, "result");
	const time_t at = (time_t)ctl_json_number(reload, "at");
	char when[64] = "";
	struct tm tm;

	ctl_table_put(t, "reload");
	if (at > 0 && localtime_r(&at, &tm))
		(void)strftime(when, sizeof(when), "%F %T", &tm);
	if (strcmp(result, "failed") == 0)
		ctl_table_put(t, "FAILED %s, the configuration before it stays: %s", when, ctl_json_text(reload, "error"));
	else if (strcmp(result, "ok") == 0)
		ctl_table_put(t, "%s, ok", when);
	else
		ctl_table_put(t, "none since the start");
}

static void put_listeners(struct ctl_table *t, const json_t *status)
{
	const char *label = "listening";
	size_t i;
	json_t *l;

	json_array_foreach(json_object_get(status, "listeners"), i, l) {
		ctl_table_put(t, "%s", label);
		ctl_table_put(t, "%s", json_string_value(l) ? json_string_value(l) : "");
		label = "";
	}
}

static void put_tls(struct ctl_table *t, const json_t *status)
{
	const json_t *tls = json_object_get(status, "tls");
	const time_t until = (time_t)ctl_json_number(tls, "expires");
	char day[sizeof("2000-01-01 00:00 UTC")] = "?";
	struct tm tm;

	if (!json_is_object(tls))
		return;
	if (gmtime_r(&until, &tm))
		(void)strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", &tm);
	ctl_table_put(t, "TLS");
	ctl_table_put(t, "on the same ports, certificate %s until %s", ctl_json_text(tls, "certificate"), day);
}

static void print_daemon(const json_t *status, FILE *out)
{
	const json_t *config = json_object_get(status, "config");
	const double keeper = ctl_json_number(status, "keeper_pid");
	struct ctl_table t;
	char age[CTL_AGE_MAX];

	ctl_table_init(&t, 2);
	ctl_table_put(&t, "daemon");
	if (keeper > 0)
		ctl_table_put(&t, "regrelay %s, pid %.0f, keeper %.0f", ctl_json_text(status, "version"),
		              ctl_json_number(status, "pid"), keeper);
	else
		ctl_table_put(&t, "regrelay %s, pid %.0f, no keeper now", ctl_json_text(status, "version"),
		              ctl_json_number(status, "pid"));
	ctl_table_put(&t, "state");
	ctl_table_put(&t, "%s, up for %s", ctl_json_text(status, "state"),
	              ctl_json_age(ctl_json_number(status, "uptime_s"), age));
	ctl_table_put(&t, "config");
	ctl_table_put(&t, "%s (%.12s), generation %.0f", ctl_json_text(config, "path"), ctl_json_text(config, "hash"),
	              ctl_json_number(status, "generation"));
	put_reload(&t, status);
	put_listeners(&t, status);
	put_tls(&t, status);
	ctl_table_print(&t, out);
}

static void put_age_of(struct ctl_table *t, const json_t *event, const char *id)
{
	char age[CTL_AGE_MAX];

	if (!json_is_object(event))
		ctl_table_put(t, "never");
	else
		ctl_table_put(t, "%s%s%s ago", id, id[0] ? ", " : "",
		              ctl_json_age(ctl_json_number(event, "age_s"), age));
}

static void print_upstreams(const json_t *upstreams, FILE *out)
{
	struct ctl_table t;
	size_t i;
	json_t *u;

	ctl_table_init(&t, 4);
	ctl_table_put(&t, "UPSTREAM");
	ctl_table_put(&t, "STATE");
	ctl_table_put(&t, "LAST SUCCESS");
	ctl_table_put(&t, "LAST FAILURE");
	json_array_foreach(upstreams, i, u) {
		const json_t *error = json_object_get(u, "last_error");
		ctl_table_put(&t, "%s", ctl_json_text(u, "name"));
		ctl_table_put(&t, "%s", ctl_json_text(u, "state"));
		put_age_of(&t, json_object_get(u, "last_success"), "");
		put_age_of(&t, error, ctl_json_text(error, "id"));
	}
	ctl_table_print(&t, out);
}

/* Cause and remedy of what stands in the way now; a failure that is over needs none. */
static void print_advice(const json_t *upstreams, FILE *out)
{
	struct ctl_table t;
	size_t i;
	json_t *u;

	ctl_table_init(&t, 2);
	json_array_foreach(upstreams, i, u) {
		const json_t *error = json_object_get(u, "last_error");
		if (!json_is_object(error) || strcmp(ctl_json_text(u, "state"), "up") == 0)
			continue;
		ctl_table_put(&t, "%s", ctl_json_text(u, "name"));
		ctl_table_put(&t, "%s", ctl_json_text(error, "id"));
		ctl_table_put(&t, "  cause");
		ctl_table_put(&t, "%s", ctl_json_text(error, "cause"));
		ctl_table_put(&t, "  what to do");
		ctl_table_put(&t, "%s", ctl_json_text(error, "fix"));
	}
	if (t.cells)
		fputc('\n', out);
	ctl_table_print(&t, out);
}

void ctl_page_status(const json_t *status, FILE *out)
{
	const json_t *upstreams = json_object_get(status, "upstreams");

	print_uses(status, out);
	if (getenv("KUBERNETES_SERVICE_HOST"))
		fputs("(this replica only: every pod has numbers and generations of its own)\n", out);
	fputc('\n', out);
	print_daemon(status, out);
	fputc('\n', out);
	ctl_page_workers(status, out);
	fputc('\n', out);
	print_upstreams(upstreams, out);
	print_advice(upstreams, out);
}
