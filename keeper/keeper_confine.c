/* Confines the keeper.  Keeper. */
#include "keeper_confine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"
#include "log.h"
#include "sandbox.h"
#include "secret.h"

#define PATHS_MAX (2 + 6 * (CONF_PROXIES + CONF_REGISTRIES))

struct paths {
	char *path[PATHS_MAX];
	unsigned count;
};

static void add(struct paths *p, const char *path)
{
	char *copy = p->count < PATHS_MAX ? strdup(path) : NULL;

	if (copy)
		p->path[p->count++] = copy;
}

/* The directory of a file: a mounted Secret is replaced there. */
static void add_parent(struct paths *p, const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (slash && sv_copy(parent, sizeof(parent), sv_make(path, slash == path ? 1 : (size_t)(slash - path))))
		add(p, parent);
}

static void add_file(struct paths *p, const char *written)
{
	char path[PATH_MAX], real[PATH_MAX];
	struct err ignored;
	struct stat st;

	if (!written[0] || secret_path(written, path, sizeof(path), &ignored) < 0)
		return;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		add(p, path);
	else
		add_parent(p, path);
	if (realpath(path, real)) /* it may be a link to elsewhere */
		add_parent(p, real);
}

static void collect(const struct conf *c, struct paths *p)
{
	char path[PATH_MAX];
	struct err ignored;

	add(p, "/etc");
	add(p, "/dev/urandom"); /* where older c-ares (1.18) draws the ids of its questions; without it they could be foreseen */
	if (realpath("/etc/resolv.conf", path))
		add_parent(p, path);
	for (unsigned i = 0; i < c->proxies; i++) {
		const struct conf_proxy *proxy = c->proxy[i];
		add_file(p, proxy->credentials);
		add_file(p, proxy->token_file);
		if (proxy->credentials[0] && conf_ca_file(proxy->ca_file, path, sizeof(path), &ignored) == 0)
			add_file(p, path);
	}
}

static int enter(const struct heritage *h, const struct paths *p, struct err *reterr)
{
	const struct sandbox s = {
		.role = SANDBOX_KEEPER,
		.reach = { .below = (const char *const *)p->path, .belows = p->count, .any_port = true },
		.denied = &h->stats->sandbox_denied,
		.required = h->conf->master.sandbox == CONF_SANDBOX_REQUIRED,
	};
	struct sandbox_parts parts;
	int r = sandbox_enter(&s, &parts, reterr);

	if (r < 0)
		return r;
	stats_set(&h->stats->sandbox_seccomp, parts.seccomp);
	stats_set(&h->stats->sandbox_landlock, parts.landlock > 0);
	return 0;
}

int keeper_confine(const struct heritage *h, struct err *reterr)
{
	struct paths paths = { .count = 0 };

	if (h->conf->master.sandbox == CONF_SANDBOX_OFF)
		return 0;
	collect(h->conf, &paths);
	int r = enter(h, &paths, reterr);
	for (unsigned i = 0; i < paths.count; i++)
		free(paths.path[i]);
	return r;
}
