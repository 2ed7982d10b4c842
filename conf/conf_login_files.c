/* The files of `authorization` taken together: have they changed?  Master. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "conf_build.h"
#include "conf_login.h"
#include "fingerprint.h"
#include "secret.h"
#include "sha256.h"

/* One line a registry: its position and what it has. */
static int hash_of(struct conf_login *const *login, unsigned count, char ret[65])
{
	size_t n = 1, at = 0;

	for (unsigned i = 0; i < count; i++)
		n += 2 + (login[i] ? strlen(login[i]->value) : 0);
	char *text = calloc(1, n);
	if (!text)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		const size_t bytes = login[i] ? strlen(login[i]->value) : 0;
		text[at++] = (char)('A' + i);
		if (bytes)
			memcpy(text + at, login[i]->value, bytes);
		at += bytes;
		text[at++] = '\n';
	}
	const int r = sha256_hex(sv_make(text, at), ret);
	explicit_bzero(text, n);
	free(text);
	return r;
}

int conf_login_seal(struct conf *c)
{
	struct conf_login *login[CONF_REGISTRIES];

	for (unsigned i = 0; i < c->registries; i++)
		login[i] = c->registry[i]->login;
	return hash_of(login, c->registries, c->login_hash);
}

int conf_login_hash(const struct conf *c, char ret[65], struct err *reterr)
{
	struct conf_login *login[CONF_REGISTRIES] = { NULL };
	struct err ignored;

	for (unsigned i = 0; i < c->registries; i++) {
		const char *path = conf_login_path(c->registry[i]->authorization);
		if (path && conf_login_read(path, &c->registry[i]->host, &login[i], &ignored) < 0)
			login[i] = NULL;
	}
	const int r = hash_of(login, c->registries, ret);
	for (unsigned i = 0; i < c->registries; i++)
		conf_login_free(login[i]);
	return r < 0 ? err_sys(reterr, r, "cannot hash") : 0;
}

uint64_t conf_login_fingerprint(const struct conf *c)
{
	uint64_t sum = 0;
	char path[PATH_MAX];
	struct err ignored;

	for (unsigned i = 0; i < c->registries; i++) {
		const char *written = conf_login_path(c->registry[i]->authorization);
		if (written && secret_path(written, path, sizeof(path), &ignored) == 0)
			sum += fingerprint(path);
	}
	return sum;
}
