/* The relay's own credentials for a registry.  Master. */
#include "conf_login.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base64.h"
#include "secret.h"
#include "tokens.h"

#define FILE_SCHEME  "file:"
#define DOCKER_FILE  ".dockerconfigjson"
#define USER_FILE    "username"
#define PASS_FILE    "password"
#define LOGIN_MAX    2048 /* bytes of user, colon and password: all goes into one line of a head */

const char *const conf_login_names[] = { DOCKER_FILE, USER_FILE, PASS_FILE, NULL };

const char *conf_login_path(const char *authorization)
{
	const size_t n = sizeof(FILE_SCHEME) - 1;

	return strncmp(authorization, FILE_SCHEME, n) == 0 && authorization[n] ? authorization + n : NULL;
}

bool conf_login_is_ok(const char *authorization)
{
	const char *path = conf_login_path(authorization);

	return path ? path[0] == '/' || (strncmp(path, "credential:", 11) == 0 && path[11] && !strchr(path, '/'))
	            : strcmp(authorization, "pass") == 0;
}

/* --- what is sent ----------------------------------------------------------------------------------------------- */

static int make(const char *where, bool bearer, struct strview value, struct conf_login **ret, struct err *reterr)
{
	struct conf_login *l = calloc(1, sizeof(*l));
	const struct strview scheme = bearer ? SV("Bearer ") : SV("Basic ");

	if (l)
		l->value = calloc(1, scheme.n + value.n + 1);
	if (!l || !l->value) {
		free(l);
		return err_sys(reterr, -ENOMEM, "%s", where);
	}
	memcpy(l->value, scheme.p, scheme.n);
	memcpy(l->value + scheme.n, value.p, value.n);
	l->bearer = bearer;
	*ret = l;
	return 0;
}

/* RFC 7617 2: no control characters, and the first colon ends the user. */
static bool is_user_pass(struct strview s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.n > 1 && s.p[0] != ':' && memchr(s.p, ':', s.n);
}

static int from_user_pass(const char *where, struct strview user_pass, struct conf_login **ret, struct err *reterr)
{
	char encoded[BASE64_MAX(LOGIN_MAX) + 1];

	if (user_pass.n > LOGIN_MAX)
		return err_set(reterr, -EINVAL, "%s: user and password have more than %d bytes", where, LOGIN_MAX);
	if (!is_user_pass(user_pass))
		return err_set(reterr, -EINVAL, "%s: no user, no password, or a control character in them", where);
	const size_t n = base64_encode(user_pass, encoded);
	const int r = make(where, false, sv_make(encoded, n), ret, reterr);
	explicit_bzero(encoded, sizeof(encoded));
	return r;
}

static int from_user_and_pass(const char *where, const char *user, const char *pass, struct conf_login **ret, struct err *reterr)
{
	char text[LOGIN_MAX + 2];

	if (strchr(user, ':'))
		return err_set(reterr, -EINVAL, "%s: a colon in the user's name", where);
	const int n = snprintf(text, sizeof(text), "%s:%s", user, pass);
	const size_t kept = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	const int r = from_user_pass(where, sv_make(text, kept), ret, reterr);
	explicit_bzero(text, sizeof(text));
	return r;
}

static int from_base64(const char *where, struct strview encoded, struct conf_login **ret, struct err *reterr)
{
	char text[BASE64_MAX(LOGIN_MAX)];
	const ssize_t n = base64_decode(encoded, text, sizeof(text));
	const int r = n < 0 ? err_set(reterr, -EINVAL, "%s: what should be base64 is none, or too long", where)
	                    : from_user_pass(where, sv_make(text, (size_t)n), ret, reterr);

	explicit_bzero(text, sizeof(text));
	return r;
}

/* --- one line --------------------------------------------------------------------------------------------------- */

static int from_line(const char *where, struct strview line, struct conf_login **ret, struct err *reterr)
{
	struct strview rest = line, scheme = SV_NONE;

	(void)sv_cut(&rest, ' ', &scheme);
	rest = sv_trim(rest);
	if (sv_eq_nocase(scheme, SV("Basic")))
		return from_base64(where, rest, ret, reterr);
	if (!sv_eq_nocase(scheme, SV("Bearer")))
		return err_set(reterr, -EINVAL, "%s: neither a line \"Basic ...\" or \"Bearer ...\" nor a .dockerconfigjson", where);
	if (!token_is_ok(rest))
		return err_set(reterr, -EINVAL, "%s: what follows Bearer is no token", where);
	return make(where, true, rest, ret, reterr);
}

/* --- .dockerconfigjson ------------------------------------------------------------------------------------------ */

/* Keys are written as "host:port", "host", and with a scheme and a path by old clients. */
static struct strview host_of(const char *key)
{
	struct strview rest = sv_str(key), host = SV_NONE;

	if (sv_starts(rest, SV("https://")))
		rest = sv_from(rest, 8);
	else if (sv_starts(rest, SV("http://")))
		rest = sv_from(rest, 7);
	(void)sv_cut(&rest, '/', &host);
	return host;
}

static const json_t *find_entry(json_t *auths, const struct url_hostport *registry)
{
	char authority[URL_AUTHORITY_MAX];
	const json_t *bare = NULL;
	const char *key;
	json_t *value;

	url_authority(registry, authority);
	json_object_foreach(auths, key, value) {
		if (sv_eq_nocase(host_of(key), sv_str(authority)))
			return value;
		if (sv_eq_nocase(host_of(key), sv_str(registry->host)))
			bare = value;
	}
	if (bare || json_object_size(auths) != 1)
		return bare;
	return json_object_iter_value(json_object_iter(auths));
}

static int from_entry(const char *where, const json_t *entry, struct conf_login **ret, struct err *reterr)
{
	const char *auth = json_string_value(json_object_get(entry, "auth"));
	const char *user = json_string_value(json_object_get(entry, "username"));
	const char *pass = json_string_value(json_object_get(entry, "password"));
	const char *identity = json_string_value(json_object_get(entry, "identitytoken"));

	if (identity && identity[0])
		return err_set(reterr, -EINVAL, "%s: an identitytoken is of no use here: user and password are needed", where);
	if (auth && auth[0])
		return from_base64(where, sv_str(auth), ret, reterr);
	if (user && pass)
		return from_user_and_pass(where, user, pass, ret, reterr);
	return err_set(reterr, -EINVAL, "%s: the registry's entry has neither auth nor username and password", where);
}

static int from_docker(const char *where, struct strview text, const struct url_hostport *registry, struct conf_login **ret,
                       struct err *reterr)
{
	json_error_t why;
	json_auto_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why);
	char authority[URL_AUTHORITY_MAX];

	if (!root) /* its message may quote what it read: not for our log */
		return err_set(reterr, -EINVAL, "%s:%d: not JSON", where, why.line);
	json_t *auths = json_object_get(root, "auths");
	if (!json_is_object(auths) || json_object_size(auths) == 0)
		return err_set(reterr, -EINVAL, "%s: no \"auths\" in it", where);
	const json_t *entry = find_entry(auths, registry);
	url_authority(registry, authority);
	if (!entry)
		return err_set(reterr, -EINVAL, "%s: several entries, and none for %s", where, authority);
	return from_entry(where, entry, ret, reterr);
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static int read_file(const char *path, const struct url_hostport *registry, struct conf_login **ret, struct err *reterr)
{
	CLEANUP(secret_free_p) char *text = NULL;
	size_t n = 0;
	const int r = secret_read(path, &text, &n, reterr);

	if (r < 0)
		return r;
	if (text[0] == '{')
		return from_docker(path, sv_make(text, n), registry, ret, reterr);
	return from_line(path, sv_make(text, n), ret, reterr);
}

static int within(const char *dir, const char *name, char dst[PATH_MAX], struct err *reterr)
{
	if (snprintf(dst, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return err_set(reterr, -ENAMETOOLONG, "%s: the path is too long", dir);
	return 0;
}

static int read_directory(const char *dir, const struct url_hostport *registry, struct conf_login **ret, struct err *reterr)
{
	CLEANUP(secret_free_p) char *user = NULL;
	CLEANUP(secret_free_p) char *pass = NULL;
	char path[PATH_MAX];
	struct stat st;
	int r = within(dir, DOCKER_FILE, path, reterr);

	if (r == 0 && stat(path, &st) == 0)
		return read_file(path, registry, ret, reterr);
	if (r == 0)
		r = within(dir, USER_FILE, path, reterr);
	if (r == 0)
		r = secret_read(path, &user, NULL, reterr);
	if (r == 0)
		r = within(dir, PASS_FILE, path, reterr);
	if (r == 0)
		r = secret_read(path, &pass, NULL, reterr);
	return r < 0 ? r : from_user_and_pass(dir, user, pass, ret, reterr);
}

int conf_login_read(const char *written, const struct url_hostport *registry, struct conf_login **ret, struct err *reterr)
{
	char path[PATH_MAX];
	struct stat st;
	int r = secret_path(written, path, sizeof(path), reterr);

	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return err_sys(reterr, -errno, "%s", path);
	return S_ISDIR(st.st_mode) ? read_directory(path, registry, ret, reterr) : read_file(path, registry, ret, reterr);
}

int conf_login_read_line(const char *path, struct conf_login **ret, struct err *reterr)
{
	CLEANUP(secret_free_p) char *line = NULL;
	size_t n;
	const int r = secret_read_written(path, &line, &n, reterr);

	return r < 0 ? r : from_user_pass(path, sv_make(line, n), ret, reterr);
}

void conf_login_free(struct conf_login *l)
{
	if (!l)
		return;
	secret_free(l->value);
	free(l);
}
