/* The files that the configuration names, taken together: have they changed?  Master. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_build.h"
#include "conf_login.h"
#include "fingerprint.h"
#include "secret.h"
#include "sha256.h"

/* Keys that name a file (or a directory) which is read with the configuration, or by a child at its birth.  What the keeper
 * reads anew by itself (credentials, token_file) is none of them. */
static const enum conf_key_index named[] = {
	CONF_KEY_listen_tls_certificate,
	CONF_KEY_listen_tls_key,
	CONF_KEY_proxy_ca_file,
	CONF_KEY_proxy_auth_file,
	CONF_KEY_proxy_tls_client_certificate,
	CONF_KEY_proxy_tls_client_key,
	CONF_KEY_registry_authorization,
	CONF_KEY_registry_ca_file,
	CONF_KEY_registry_tls_client_certificate,
	CONF_KEY_registry_tls_client_key,
};

/* --- which they are ---------------------------------------------------------------------------------------------- */

typedef void file_fn(void *user, const char *path);

/* NULL: it names none. */
static const char *written_in(const struct conf_key *k, const void *section)
{
	const char *value = *(char *const *)conf_const_field(k, section);

	if (k->kind == KIND_TEXT)
		return conf_login_path(value);
	return value[0] ? value : NULL;
}

static void visit_section(enum conf_section s, const void *section, file_fn *fn, void *user)
{
	char path[PATH_MAX];
	struct err ignored;

	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		const struct conf_key *k = &conf_keys[named[i]];
		const char *written = k->section == s ? written_in(k, section) : NULL;
		if (written)
			fn(user, secret_path(written, path, sizeof(path), &ignored) == 0 ? path : "");
	}
}

/* Each of them in the order of the configuration; "" = it leads nowhere. */
static void visit(const struct conf *c, file_fn *fn, void *user)
{
	visit_section(CONF_LISTEN, &c->listen, fn, user);
	for (unsigned i = 0; i < c->proxies; i++)
		visit_section(CONF_PROXY, c->proxy[i], fn, user);
	for (unsigned i = 0; i < c->registries; i++)
		visit_section(CONF_REGISTRY, c->registry[i], fn, user);
}

/* --- their hash -------------------------------------------------------------------------------------------------- */

/* One digest a file, the last one that of all before it. */
struct sum {
	char digest[2][SHA256_HEX];
	int error; /* -errno; 0 = none */
};

static void add(struct sum *s, struct strview bytes)
{
	if (s->error == 0)
		s->error = sha256_hex(bytes, s->digest[1]);
	if (s->error == 0)
		s->error = sha256_hex(sv_make(s->digest[0], 2 * SHA256_HEX), s->digest[0]);
}

/* One that cannot be read is another one than any that can. */
static void add_file(struct sum *s, const char *path)
{
	struct err ignored;
	char *bytes = NULL;
	size_t n = 0;

	if (conf_file_read(path, &bytes, &n, &ignored) < 0) {
		add(s, SV("no such file"));
		return;
	}
	add(s, sv_make(bytes, n));
	explicit_bzero(bytes, n);
	free(bytes);
}

static void add_named(void *user, const char *path)
{
	struct stat st;
	char within[PATH_MAX];

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		add_file(user, path);
		return;
	}
	for (const char *const *name = conf_login_names; *name; name++)
		if (snprintf(within, sizeof(within), "%s/%s", path, *name) < (int)sizeof(within))
			add_file(user, within);
}

int conf_files_hash(const struct conf *c, char ret[65], struct err *reterr)
{
	struct sum s = { .error = 0 };

	visit(c, add_named, &s);
	if (s.error < 0)
		return err_sys(reterr, s.error, "cannot hash");
	memcpy(ret, s.digest[0], SHA256_HEX);
	return 0;
}

/* --- their fingerprint ------------------------------------------------------------------------------------------- */

static void add_print(void *user, const char *path)
{
	uint64_t *sum = user;

	*sum = *sum * 31 + fingerprint(path);
}

uint64_t conf_files_fingerprint(const struct conf *c)
{
	uint64_t sum = 0;

	visit(c, add_print, &sum);
	return sum;
}
