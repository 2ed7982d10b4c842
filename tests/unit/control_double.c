/* Test double of the master behind view.h, of the series and of a configuration, for tests of the control API. */
#include "control_double.h"

#include <errno.h>
#include <unistd.h>

#include <stdio.h>

#include "stats_series.h"

unsigned view_workers(const struct master *m, struct view_worker *ret, unsigned max)
{
	(void)m;
	if (max < 2)
		return 0;
	ret[0] = (struct view_worker){ 1, 4712, 1, "serving", 13, 120 };
	ret[1] = (struct view_worker){ 2, 4714, 1, "starting", 0, UINT64_MAX };
	return 2;
}

unsigned view_upstreams(const struct master *m, struct view_upstream *ret, unsigned max)
{
	if (max < 1)
		return 0;
	ret[0] = (struct view_upstream){ "default", m->last_error ? "down" : "up", m->last_error,
		                         m->last_error ? 1500 : UINT64_MAX, m->last_error ? UINT64_MAX : 250 };
	return 1;
}

const char *view_listener(const struct master *m, unsigned i)
{
	(void)m;
	return i == 0 ? "*:8080" : NULL;
}

const char *view_state(const struct master *m)
{
	return m->stops ? "draining" : "serving";
}

uint32_t view_generation(const struct master *m)
{
	(void)m;
	return 1;
}

pid_t view_keeper(const struct master *m)
{
	(void)m;
	return 4713;
}

uint64_t view_uptime_ms(const struct master *m)
{
	(void)m;
	return 75500;
}

void view_last_reload(const struct master *m, struct view_reload *ret)
{
	(void)m;
	*ret = (struct view_reload){ "none", "", 0 };
}

const struct conf *view_conf(const struct master *m)
{
	return m->conf;
}

const struct shm *view_shm(const struct master *m)
{
	return (const struct shm *)(const void *)m; /* only handed on */
}

static const struct conf_errors no_lines = { NULL, 0 };

void view_reload(struct master *m, bool dry_run, struct view_waiter *w)
{
	static char first[] = "r.ini:1: wrong", second[] = "r.ini:2: wrong";
	static char *lines[] = { first, second };
	const struct conf_errors errors = { lines, m->refused };
	const struct view_answer a = { .status = 422, .exit = 78, .error = first, .errors = &errors, .changed = &no_lines };

	m->dry_run = dry_run;
	m->waiter = w;
	if (m->refused)
		w->answer(w, &a);
}

const char *view_drain(struct master *m, struct view_waiter *w)
{
	m->waiter = w;
	return m->no_drain;
}

void view_undrain(struct master *m, struct view_waiter *w)
{
	m->waiter = w;
}

void view_pulls(const struct master *m, struct view_pulls *v)
{
	const struct view_pull row = {
		.slot = 1, .pid = 4712, .generation = 1, .age_ms = 2000,
		.pull = { .texts = { .client = "10.0.0.1", .user = "al\xffice", .repository = "team/app", .reference = "t1" },
		          .bytes = 1000, .total = PULLS_UNKNOWN },
	};

	for (unsigned i = 0; i < m->pulls; i++)
		v->visit(v, &row);
	v->unlisted = 1;
}

void view_progress(const struct master *m, struct view_progress *ret)
{
	*ret = (struct view_progress){ m->pulls, 840000000, 95000 };
}

enum log_level view_log_level(const struct master *m)
{
	return m->level;
}

void view_set_log_level(struct master *m, enum log_level level)
{
	m->level = level;
}

int conf_dump(const struct conf *c, int fd)
{
	(void)c;
	return write(fd, "[log]\n", 6) == 6 ? 0 : -EIO;
}

int view_doctor(struct master *m, int fd)
{
	if (m->doctor_fd < 0)
		return -EPIPE;
	m->doctor_fd = dup(fd);
	return 0;
}

void view_stop(struct master *m, bool now)
{
	m->stops++;
	m->stop_now = now;
}

unsigned conf_public_port(const struct conf *c)
{
	return c->listen.public_port;
}

int series_each(const struct series_source *src, struct series_visitor *v)
{
	static const double values[] = { 17, 0, 0.25 };
	const struct master *m = (const struct master *)(const void *)src->shm;
	char name[SERIES_NAME_MAX];

	for (unsigned i = 0; i < m->series; i++) {
		(void)snprintf(name, sizeof(name), "regrelay_%u_total{upstream=\"%s\"}", i,
		               src->upstream[1] ? src->upstream[1] : "");
		const struct series s = { .name = name, .value = values[i % ARRAY_LEN(values)] };
		const int r = v->visit(v, &s);
		if (r != 0)
			return r;
	}
	return 0;
}

struct conf *control_double_conf(char *path)
{
	static char none[] = "", name[] = "default", file[] = "/etc/\xff.ini", authority[] = "reg.kyma:25002";
	static struct conf_proxy proxy = { .name = name, .index = 1 };
	static struct conf_registry registry = { .name = name, .authority = authority, .proxy = &proxy, .prefix = none,
		                                 .ns = none, .match_host = none };
	static struct conf conf = { .path = file, .hash = "0123456789abcdef", .listen.public_port = 32137, .proxies = 1,
		                    .registries = 1, .default_registry = &registry };

	conf.master = (struct conf_master){ .user = none, .control = path, .control_mode = 0600, .control_group = none };
	conf.proxy[0] = &proxy;
	conf.registry[0] = &registry;
	return &conf;
}
