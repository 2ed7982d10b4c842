/* A configuration's life: read the file, parse, check, freeze, free.  Master. */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_build.h"
#include "conf_login.h"
#include "secret.h"
#include "sha256.h"
#include "tls_context.h"

#define FILE_MAX (1024 * 1024)

/* --- building blocks ------------------------------------------------------------------------------------------- */

void build_mistake(struct conf_build *b, int line, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	struct conf_mistake *more = realloc(b->mistake, (b->mistakes + 1) * sizeof(*more));

	if (!more) {
		b->lost = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->mistake = more;
	/* Line order; what belongs to no line comes last, and what came first stays first. */
	unsigned at = b->mistakes;
	while (line && at > 0 && (more[at - 1].line == 0 || more[at - 1].line > line))
		at--;
	memmove(&more[at + 1], &more[at], (b->mistakes - at) * sizeof(*more));
	more[at] = (struct conf_mistake){ .line = line, .text = strdup(text) };
	b->mistakes++;
}

int build_defaults(enum conf_section s, void *section)
{
	struct err why;

	for (size_t i = 0; i < CONF_KEYS; i++) {
		const struct conf_key *k = &conf_keys[i];
		if (k->section != s || k->kind == KIND_HOSTPORT) /* no default: conf_check asks for it */
			continue;
		int r = conf_value_parse(k, sv_str(k->fallback), 0, false, conf_field(k, section), &why);
		if (r < 0)
			return r;
	}
	return 0;
}

static void section_free(enum conf_section s, void *section)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		if (conf_keys[i].section == s)
			conf_value_free(&conf_keys[i], conf_field(&conf_keys[i], section));
}

static void proxy_free(struct conf_proxy *p)
{
	if (!p)
		return;
	section_free(CONF_PROXY, p);
	conf_login_free(p->basic);
	free(p->client_chain);
	secret_free(p->client_key);
	free(p->name);
	free(p);
}

static void registry_free(struct conf_registry *r)
{
	if (!r)
		return;
	section_free(CONF_REGISTRY, r);
	conf_hosts_free(&r->token_at);
	conf_hosts_free(&r->redirect_at);
	conf_hosts_free(&r->pass_at);
	conf_login_free(r->login);
	tls_context_free(r->tls);
	free(r->authority);
	free(r->name);
	free(r);
}

int build_proxy(struct conf_build *b, struct strview name)
{
	if (b->c->proxies == ARRAY_LEN(b->c->proxy))
		return -ENOSPC;
	struct conf_proxy *p = calloc(1, sizeof(*p));
	if (!p || !(p->name = strndup(name.p, name.n)) || build_defaults(CONF_PROXY, p) < 0) {
		proxy_free(p);
		return -ENOMEM;
	}
	p->index = b->c->proxies;
	p->name_index = -1;
	b->c->proxy[b->c->proxies++] = p;
	return 0;
}

int build_registry(struct conf_build *b, struct strview name)
{
	if (b->c->registries == CONF_REGISTRIES)
		return -ENOSPC;
	struct conf_registry *r = calloc(1, sizeof(*r));
	if (!r || !(r->name = strndup(name.p, name.n)) || build_defaults(CONF_REGISTRY, r) < 0) {
		registry_free(r);
		return -ENOMEM;
	}
	b->c->registry[b->c->registries++] = r;
	return 0;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (enum conf_section s = CONF_MASTER; s < CONF_PROXY; s++)
		section_free(s, conf_instance(c, s, 0));
	for (unsigned i = 0; i < c->proxies; i++)
		proxy_free(c->proxy[i]);
	for (unsigned i = 0; i < c->registries; i++)
		registry_free(c->registry[i]);
	tls_context_free(c->listen.tls);
	free(c->origins);
	free(c->path);
	free(c);
}

static struct conf *conf_new(const char *path)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->path = strdup(path);
	c->origins = calloc(1, sizeof(*c->origins));
	bool ok = c->path && c->origins;
	for (enum conf_section s = CONF_MASTER; ok && s < CONF_PROXY; s++)
		ok = build_defaults(s, conf_instance(c, s, 0)) == 0;
	if (ok)
		return c;
	conf_free(c);
	return NULL;
}

/* --- the file -------------------------------------------------------------------------------------------------- */

int conf_file_read(const char *path, char **ret, size_t *ret_n, struct err *reterr)
{
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(reterr, -errno, "cannot open");
	if (!S_ISREG(st.st_mode))
		return err_set(reterr, -EINVAL, "not a regular file");
	if (st.st_size < 1 || st.st_size > FILE_MAX)
		return err_set(reterr, -EINVAL, st.st_size < 1 ? "the file is empty" : "longer than 1 MiB");
	CLEANUP(free_p) char *bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return err_sys(reterr, -ENOMEM, "cannot read");
	size_t n = 0;
	while (n < (size_t)st.st_size) {
		ssize_t r = read(fd, bytes + n, (size_t)st.st_size - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(reterr, -errno, "cannot read");
		if (r == 0)
			break;
		n += (size_t)r;
	}
	bytes[n] = '\0';
	*ret = TAKE(bytes);
	*ret_n = n;
	return 0;
}

/* --- errors ---------------------------------------------------------------------------------------------------- */

void conf_errors_free(struct conf_errors *e)
{
	for (unsigned i = 0; i < e->count; i++)
		free(e->line[i]);
	free(e->line);
	*e = (struct conf_errors){ NULL, 0 };
}

struct conf_errors conf_errors_take(struct conf_errors *e)
{
	const struct conf_errors all = *e;

	*e = (struct conf_errors){ NULL, 0 };
	return all;
}

void conf_errors_add(struct conf_errors *e, const char *path, int line, const char *text)
{
	char *one = NULL, **more = realloc(e->line, (e->count + 1) * sizeof(*more));
	int r;

	if (!more)
		return;
	e->line = more;
	if (line)
		r = asprintf(&one, "%s:%d: %s", path, line, text ? text : "out of memory");
	else
		r = asprintf(&one, "%s: %s", path, text ? text : "out of memory");
	if (r >= 0)
		more[e->count++] = one;
}

static void build_done(struct conf_build *b, struct conf_errors *errors)
{
	for (unsigned i = 0; i < b->mistakes; i++) {
		conf_errors_add(errors, b->c->path, b->mistake[i].line, b->mistake[i].text);
		free(b->mistake[i].text);
	}
	free(b->mistake);
	if (b->lost)
		conf_errors_add(errors, b->c->path, 0, "out of memory");
	for (unsigned i = 0; i < CONF_REGISTRIES; i++)
		free(b->proxy_ref[i]);
}

int conf_load(const char *path, struct conf **ret, struct conf_errors *errors)
{
	struct conf_build b = { .line = 0 };
	CLEANUP(free_p) char *bytes = NULL;
	struct err why;
	size_t n;

	*errors = (struct conf_errors){ NULL, 0 };
	path = path ? path : CONF_PATH_DEFAULT;
	int r = conf_file_read(path, &bytes, &n, &why);
	if (r < 0) {
		conf_errors_add(errors, path, 0, why.text);
		return r;
	}
	b.c = conf_new(path);
	if (!b.c || sha256_hex(sv_make(bytes, n), b.c->hash) < 0) {
		conf_errors_add(errors, path, 0, "out of memory");
		conf_free(b.c);
		return -ENOMEM;
	}
	conf_parse(&b, sv_make(bytes, n));
	/* Before they are read: one that changes in between is noticed as a change. */
	if (conf_files_hash(b.c, b.c->files_hash, &why) < 0)
		build_mistake(&b, 0, "%s", why.text);
	conf_check(&b);
	bool good = b.mistakes == 0 && !b.lost;
	build_done(&b, errors);
	if (!good) {
		conf_free(b.c);
		return -EINVAL;
	}
	*ret = b.c;
	return 0;
}

int conf_file_hash(const char *path, char ret[65], struct err *reterr)
{
	CLEANUP(free_p) char *bytes = NULL;
	size_t n;
	int r = conf_file_read(path, &bytes, &n, reterr);

	if (r == 0)
		r = sha256_hex(sv_make(bytes, n), ret);
	return r < 0 && !reterr->code ? err_sys(reterr, r, "cannot hash") : r;
}

unsigned conf_public_port(const struct conf *c)
{
	if (c->listen.public_port || c->listen.address.count == 0)
		return c->listen.public_port;
	const struct sockaddr_storage *sa = &c->listen.address.items[0].sa;
	return sa->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)sa)->sin6_port)
	                                 : ntohs(((const struct sockaddr_in *)sa)->sin_port);
}
