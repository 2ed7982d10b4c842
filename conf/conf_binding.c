/* A service binding.  Master, keeper. */
#include "conf_binding.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "secret.h"

/* The keys we know, as texts. */
enum key { CLIENT_ID, CLIENT_SECRET, CERTIFICATE, KEY, CERT_URL, TOKEN_URL, URL, KEYS };

static const char *const names[KEYS] = {
	[CLIENT_ID] = "clientid",     [CLIENT_SECRET] = "clientsecret", [CERTIFICATE] = "certificate", [KEY] = "key",
	[CERT_URL] = "certurl",       [TOKEN_URL] = "token_service_url", [URL] = "url",
};

struct raw {
	char *text[KEYS]; /* NULL = not there */
};

static void raw_done(struct raw *r)
{
	for (int i = 0; i < KEYS; i++)
		secret_free(TAKE(r->text[i]));
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

/* Where the keys are. */
static const json_t *holder(const json_t *root)
{
	static const char *const inner[] = { "credentials", "uaa" };

	for (size_t i = 0; i < ARRAY_LEN(inner) && !json_object_get(root, names[CLIENT_ID]); i++)
		if (json_is_object(json_object_get(root, inner[i])))
			return json_object_get(root, inner[i]);
	return root;
}

static int read_json(const char *path, struct raw *raw, struct err *reterr)
{
	CLEANUP(secret_free_p) char *text = NULL;
	json_auto_t *root = NULL;
	json_error_t why;
	int r = secret_read(path, &text, NULL, reterr);

	if (r < 0)
		return r;
	root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!root) /* its message may quote what it read: not for our log */
		return err_set(reterr, -EINVAL, "%s:%d: not JSON", path, why.line);
	if (!json_is_object(root))
		return err_set(reterr, -EINVAL, "%s: not a JSON object", path);
	for (int i = 0; i < KEYS; i++) {
		const json_t *value = json_object_get(holder(root), names[i]);
		if (!value)
			continue;
		if (!json_is_string(value))
			return err_set(reterr, -EINVAL, "%s: %s is no text", path, names[i]);
		raw->text[i] = strdup(json_string_value(value));
		if (!raw->text[i])
			return err_sys(reterr, -ENOMEM, "%s", path);
	}
	return 0;
}

/* --- directory -------------------------------------------------------------------------------------------------- */

static int read_key(const char *dir, int key, struct raw *raw, struct err *reterr)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, names[key]) >= (int)sizeof(path))
		return err_set(reterr, -ENAMETOOLONG, "%s: the path is too long", dir);
	int r = secret_read(path, &raw->text[key], NULL, reterr);
	return r == -ENOENT || r == -ENODATA ? 0 : r;
}

/* The one visible file of dir, when there is just one.  0, or -ENOENT. */
static int only_file(const char *dir, char *dst, size_t cap)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	unsigned count = 0;

	while (d && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && ++count == 1 && snprintf(dst, cap, "%s/%s", dir, e->d_name) >= (int)cap)
			count++;
	if (d)
		(void)closedir(d);
	return count == 1 ? 0 : -ENOENT;
}

static int read_directory(const char *dir, struct raw *raw, struct err *reterr)
{
	char path[PATH_MAX];
	int r = 0;

	for (int i = 0; r == 0 && i < KEYS; i++)
		r = read_key(dir, i, raw, reterr);
	if (r == 0 && !raw->text[CLIENT_ID] && only_file(dir, path, sizeof(path)) == 0)
		r = read_json(path, raw, reterr);
	return r;
}

/* --- what it says ----------------------------------------------------------------------------------------------- */

static bool is_visible(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static int missing(const char *where, const char *what, struct err *reterr)
{
	return err_set(reterr, -EINVAL, "%s: the service binding has no %s", where, what);
}

static int take_url(const char *where, const char *text, const char *resource, struct conf_binding *b, struct err *reterr)
{
	struct err why;
	struct url u;

	if (url_parse(sv_str(text), &u, &why) < 0)
		return err_set(reterr, -EINVAL, "%s: the URL of the token service: %s", where, why.text);
	if (!u.https)
		return err_set(reterr, -EINVAL, "%s: the URL of the token service is not https: the secret would be readable", where);
	b->at = u.at;
	if (u.path.n > 1)
		b->path = strndup(u.path.p, u.path.n);
	else
		b->path = strdup(resource[0] ? "/oauth2/token" : "/oauth/token");
	return b->path ? 0 : err_sys(reterr, -ENOMEM, "%s", where);
}

/* The certificate that the token service is shown, if any. */
static int take_pair(const char *where, char **text, const struct conf_proxy *p, struct conf_binding *b, struct err *reterr)
{
	const bool own = text[CERTIFICATE] && text[KEY];

	if (own && p->client_chain)
		return err_set(reterr, -EINVAL, "%s: the service binding has a certificate and a key of its own: tls_client_certificate "
		               "is for one that has none", where);
	if (p->client_chain) {
		b->certificate = strdup(p->client_chain);
		b->key = strdup(p->client_key);
		return b->certificate && b->key ? 0 : err_sys(reterr, -ENOMEM, "%s", where);
	}
	if (own && !text[CLIENT_SECRET]) {
		b->certificate = TAKE(text[CERTIFICATE]);
		b->key = TAKE(text[KEY]);
	}
	return 0;
}

static int take_client(const char *where, char **text, struct conf_binding *b, struct err *reterr)
{
	if (!text[CLIENT_ID] || !text[CLIENT_ID][0])
		return missing(where, "clientid", reterr);
	if (!b->certificate && !text[CLIENT_SECRET])
		return missing(where, "clientsecret, nor a certificate and its key", reterr);
	if (!is_visible(text[CLIENT_ID]) || (text[CLIENT_SECRET] && !is_visible(text[CLIENT_SECRET])))
		return err_set(reterr, -EINVAL, "%s: a control character in clientid or clientsecret", where);
	b->client_id = TAKE(text[CLIENT_ID]);
	b->client_secret = TAKE(text[CLIENT_SECRET]);
	return 0;
}

static int take(const char *where, char **text, const struct conf_proxy *p, struct conf_binding *b, struct err *reterr)
{
	int r = take_pair(where, text, p, b, reterr);

	if (r == 0)
		r = take_client(where, text, b, reterr);
	if (r < 0)
		return r;
	const bool x509 = !b->client_secret;
	const char *url = x509 && text[CERT_URL] ? text[CERT_URL] : text[TOKEN_URL] ? text[TOKEN_URL] : text[URL];
	if (!url)
		return missing(where, x509 ? "certurl" : "token_service_url", reterr);
	return take_url(where, url, p->token_resource, b, reterr);
}

int conf_binding_read(const struct conf_proxy *p, struct conf_binding *ret, struct err *reterr)
{
	struct conf_binding b = { .path = NULL };
	struct raw raw = { { NULL } };
	char path[PATH_MAX];
	struct stat st;
	int r = secret_path(p->credentials, path, sizeof(path), reterr);

	if (r == 0 && stat(path, &st) < 0)
		r = err_sys(reterr, -errno, "%s", path);
	if (r == 0)
		r = S_ISDIR(st.st_mode) ? read_directory(path, &raw, reterr) : read_json(path, &raw, reterr);
	if (r == 0)
		r = take(path, raw.text, p, &b, reterr);
	raw_done(&raw);
	if (r < 0) {
		conf_binding_free(&b);
		return r;
	}
	*ret = b;
	return 0;
}

void conf_binding_free(struct conf_binding *b)
{
	free(TAKE(b->path));
	free(TAKE(b->client_id));
	secret_free(TAKE(b->client_secret));
	free(TAKE(b->certificate));
	secret_free(TAKE(b->key));
}
