/* The documents of the control API, as JSON, made from what view.h shows.  Master. */
#include "control_json.h"

#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "errors.h"
#include "stats_series.h"

#define NEVER       UINT64_MAX
#define PULLS_SHOWN 4096 /* rows of an answer; it has 4 MiB for them */

/* Text as JSON; bytes that are no UTF-8 (a path may hold any) become '?'. */
static json_t *text(const char *s)
{
	json_t *as_is = json_string(s);

	if (as_is || !s)
		return as_is;
	CLEANUP(free_p) char *ascii = strdup(s);
	for (char *p = ascii; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(ascii);
}

static json_int_t number(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

static double seconds(uint64_t ms)
{
	return (double)ms / 1000.0;
}

/* Appends item (taken over); on failure *list becomes NULL. */
static void append(json_t **list, json_t *item)
{
	if (json_array_append_new(*list, item) < 0) {
		json_decref(*list);
		*list = NULL;
	}
}

static json_t *workers(const struct master *m)
{
	struct view_worker row[SHM_SLOTS];
	const unsigned n = view_workers(m, row, ARRAY_LEN(row));
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		append(&list, json_pack("{s:I, s:I, s:I, s:s, s:I, s:I}", "slot", (json_int_t)row[i].slot,
		                        "pid", (json_int_t)row[i].pid, "generation", (json_int_t)row[i].generation,
		                        "state", row[i].state, "sessions", number(row[i].sessions),
		                        "heartbeat_age_ms", number(row[i].heartbeat_age_ms)));
	return list;
}

static json_t *last_error(const struct view_upstream *u)
{
	const struct error_row *row = error_row(u->last_error);

	if (row == error_row(ERROR_NONE) || u->last_error_age_ms == NEVER)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:f}", "id", row->name, "cause", row->cause, "fix", row->fix,
	                 "age_s", seconds(u->last_error_age_ms));
}

static json_t *last_success(const struct view_upstream *u)
{
	if (u->last_success_age_ms == NEVER)
		return json_null();
	return json_pack("{s:f}", "age_s", seconds(u->last_success_age_ms));
}

static json_t *upstreams(const struct master *m)
{
	struct view_upstream row[STATS_UPSTREAMS];
	const unsigned n = view_upstreams(m, row, ARRAY_LEN(row));
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		append(&list, json_pack("{s:o, s:s, s:o, s:o}", "name", text(row[i].name), "state", row[i].state,
		                        "last_error", last_error(&row[i]), "last_success", last_success(&row[i])));
	return list;
}

/* What the listeners speak beside plain HTTP; null = nothing. */
static json_t *listeners_tls(const struct conf *c)
{
	if (!c->listen.tls)
		return json_null();
	return json_pack("{s:o, s:I}", "certificate", text(c->listen.tls_certificate),
	                 "expires", (json_int_t)tls_context_expires(c->listen.tls));
}

static json_t *listeners(const struct master *m)
{
	json_t *list = json_array();
	const char *address;

	for (unsigned i = 0; (address = view_listener(m, i)) != NULL; i++)
		append(&list, text(address));
	return list;
}

/* How clients name each registry: what the first lines of `regctl status` are made of. */
static json_t *registries(const struct conf *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < c->registries; i++) {
		const struct conf_registry *r = c->registry[i];
		append(&list, json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "name", text(r->name),
		                        "host", text(r->authority), "upstream", text(r->proxy->name),
		                        "default", r == c->default_registry, "prefix", text(r->prefix),
		                        "ns", text(r->ns), "match_host", text(r->match_host)));
	}
	return list;
}

static json_t *last_reload(const struct master *m)
{
	struct view_reload r;

	view_last_reload(m, &r);
	return json_pack("{s:s, s:o, s:o}", "result", r.result, "error", r.error[0] ? text(r.error) : json_null(),
	                 "at", r.at_wall_ms ? json_real(seconds(r.at_wall_ms)) : json_null());
}

json_t *control_json_status(const struct master *m)
{
	const struct conf *c = view_conf(m);

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:f, s:{s:o, s:s}, s:o, s:I, s:o, s:o, s:o, s:o, s:o}",
	                 "log_level", log_level_name(view_log_level(m)), "version", PACKAGE_VERSION, "pid", (json_int_t)getpid(),
	                 "keeper_pid", (json_int_t)view_keeper(m), "generation", (json_int_t)view_generation(m),
	                 "state", view_state(m), "uptime_s", seconds(view_uptime_ms(m)),
	                 "config", "path", text(c->path), "hash", c->hash, "last_reload", last_reload(m),
	                 "public_port", (json_int_t)conf_public_port(c), "listeners", listeners(m),
	                 "tls", listeners_tls(c),
	                 "registries", registries(c), "upstreams", upstreams(m), "workers", workers(m));
}

json_t *control_json_workers(const struct master *m)
{
	return json_pack("{s:o}", "workers", workers(m));
}

struct pulls_walk {
	struct view_pulls pulls;
	json_t *list;
	unsigned left_out;
};

static json_t *total_of(const struct pull *p)
{
	return p->total == PULLS_UNKNOWN ? json_null() : json_integer(number(p->total));
}

static void put_pull(struct view_pulls *v, const struct view_pull *row)
{
	struct pulls_walk *walk = container_of(v, struct pulls_walk, pulls);
	const struct pull *p = &row->pull;
	const struct pull_texts *t = &p->texts;
	const double age_s = seconds(row->age_ms);

	if (json_array_size(walk->list) >= PULLS_SHOWN) {
		walk->left_out++;
		return;
	}
	append(&walk->list,
	       json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:f, s:f, s:o}",
	                 "slot", (json_int_t)row->slot, "pid", (json_int_t)row->pid, "generation", (json_int_t)row->generation,
	                 "request_id", text(t->request_id), "client", text(t->client), "user", text(t->user),
	                 "registry", text(t->registry), "repository", text(t->repository), "reference", text(t->reference),
	                 "route", text(t->route), "bytes", number(p->bytes), "total", total_of(p), "age_s", age_s,
	                 "rate_bytes_per_second", age_s > 0 ? (double)p->bytes / age_s : 0.0, "waits_for", text(t->waits_for)));
}

json_t *control_json_pulls(const struct master *m)
{
	struct pulls_walk walk = { .pulls.visit = put_pull, .list = json_array() };

	view_pulls(m, &walk.pulls);
	return json_pack("{s:o, s:I}", "pulls", walk.list, "unlisted", (json_int_t)walk.pulls.unlisted + walk.left_out);
}

json_t *control_json_progress(const struct master *m)
{
	struct view_progress p;

	view_progress(m, &p);
	return json_pack("{s:{s:s, s:I, s:I, s:f}}", "progress", "state", view_state(m), "pulls", (json_int_t)p.pulls,
	                 "bytes_left", number(p.bytes_left), "oldest_s", seconds(p.oldest_ms));
}

json_t *control_json_version(void)
{
	return json_pack("{s:s, s:s}", "version", PACKAGE_VERSION, "api", "v1");
}

struct stats_walk {
	struct series_visitor visitor;
	json_t *object;
};

/* A double holds integers exactly up to 2^53: those go out as integers. */
static json_t *value_of(double v)
{
	static const double exact = 9007199254740992.0;

	if (v > -exact && v < exact && v == (double)(json_int_t)v)
		return json_integer((json_int_t)v);
	return json_real(v); /* NULL for what JSON has no word for: infinity, not a number */
}

static int put_series(struct series_visitor *v, const struct series *s)
{
	struct stats_walk *walk = container_of(v, struct stats_walk, visitor);
	json_t *value = value_of(s->value);

	return value ? json_object_set_new(walk->object, s->name, value) : 0;
}

json_t *control_json_stats(const struct master *m)
{
	const struct conf *c = view_conf(m);
	const char *name[STATS_UPSTREAMS] = { NULL };
	const struct series_source source = { view_shm(m), name, ARRAY_LEN(name), PACKAGE_VERSION };
	struct stats_walk walk = { .visitor.visit = put_series, .object = json_object() };

	for (unsigned i = 0; i < c->proxies; i++)
		if (c->proxy[i]->index < ARRAY_LEN(name))
			name[c->proxy[i]->index] = c->proxy[i]->name;
	if (walk.object && series_each(&source, &walk.visitor) != 0) {
		json_decref(walk.object);
		walk.object = NULL;
	}
	return walk.object;
}

/* --- configuration and what was done to it ------------------------------------------------------------------------ */

/* All of an anonymous file as JSON text. */
static json_t *file_text(int fd)
{
	const off_t size = lseek(fd, 0, SEEK_END);
	CLEANUP(free_p) char *bytes = size < 0 ? NULL : malloc((size_t)size + 1);
	ssize_t n = bytes ? pread(fd, bytes, (size_t)size, 0) : -1;

	if (n < 0)
		return NULL;
	bytes[n] = '\0';
	return text(bytes);
}

json_t *control_json_config(const struct master *m)
{
	const struct conf *c = view_conf(m);
	CLEANUP(close_p) int fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0 || conf_dump(c, fd) < 0)
		return NULL;
	return json_pack("{s:o, s:s, s:o}", "path", text(c->path), "hash", c->hash, "text", file_text(fd));
}

static json_t *lines(const struct conf_errors *from)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < from->count; i++)
		append(&list, text(from->line[i]));
	return list;
}

json_t *control_json_done(const struct view_answer *a)
{
	return json_pack("{s:s, s:i, s:I, s:o, s:o, s:o}", "result", a->exit == 0 ? "ok" : "refused", "exit", a->exit,
	                 "generation", (json_int_t)a->generation, "error", a->error[0] ? text(a->error) : json_null(),
	                 "errors", lines(a->errors), "changed", lines(a->changed));
}
