/* A pull secret as people have it.  Regctl. */
#include "ctl_secret.h"

#include <errno.h>
#include <string.h>

#include "base64.h"
#include "secret.h"

#define CONFIG_KEY ".dockerconfigjson"

static int read_stdin(char **ret, struct err *reterr)
{
	char *text = malloc(SECRET_MAX + 1);
	size_t n = 0;
	ssize_t got = 1;

	while (text && n <= SECRET_MAX && (got = read(STDIN_FILENO, text + n, SECRET_MAX + 1 - n)) > 0)
		n += (size_t)got;
	const int r = !text ? -ENOMEM : got < 0 ? -errno : n > SECRET_MAX ? -EFBIG : n == 0 ? -ENODATA : 0;
	if (r < 0) {
		if (text)
			explicit_bzero(text, n);
		free(text);
		return err_sys(reterr, r, "standard input");
	}
	text[n] = '\0';
	*ret = text;
	return 0;
}

static json_t *parse(struct strview text)
{
	json_error_t ignored; /* its text may quote a secret */

	return json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &ignored);
}

/* The JSON behind base64, which may be broken into lines. */
static json_t *parse_encoded(const char *text)
{
	const size_t n = strlen(text);
	char *one = malloc(2 * n + 1), *plain = one ? one + n : NULL;
	size_t used = 0;
	json_t *root = NULL;

	for (size_t i = 0; one && i < n; i++)
		if (!strchr(" \t\r\n", text[i]))
			one[used++] = text[i];
	const ssize_t length = one ? base64_decode(sv_make(one, used), plain, n) : -ENOMEM;
	if (length > 0)
		root = parse(sv_make(plain, (size_t)length));
	if (one)
		explicit_bzero(one, 2 * n);
	free(one);
	return root;
}

/* The docker configuration within a Secret as the API has it; NULL: it is none. */
static json_t *unwrap(json_t *root)
{
	const char *encoded = json_string_value(json_object_get(json_object_get(root, "data"), CONFIG_KEY));
	const char *plain = json_string_value(json_object_get(json_object_get(root, "stringData"), CONFIG_KEY));

	if (json_object_get(root, "auths"))
		return json_incref(root);
	return encoded ? parse_encoded(encoded) : plain ? parse(sv_str(plain)) : NULL;
}

/* A key that has the image's host in it, or a pattern. */
static bool may_be_for(const char *key, const char *image)
{
	const size_t n = strcspn(image, "/");
	const struct strview host = sv_make(image, image[n] ? n : 0);

	return strchr(key, '*') != NULL || (host.n && sv_contains(sv_str(key), host));
}

static json_t *only_for(const char *image, json_t *auths)
{
	json_t *kept = json_object(), *entry;
	const char *key;

	json_object_foreach(auths, key, entry)
		(void)json_object_set_new(kept, key, may_be_for(key, image) ? json_deep_copy(entry) : json_object());
	return json_pack("{s:o}", "auths", kept);
}

int ctl_secret_read(const char *file, const char *image, json_t **ret, struct err *reterr)
{
	char *text = NULL;
	int r = strcmp(file, "-") == 0 ? read_stdin(&text, reterr) : secret_read(file, &text, NULL, reterr);

	if (r < 0)
		return r;
	json_t *root = parse(sv_str(text));
	if (!root)
		root = parse_encoded(text);
	explicit_bzero(text, strlen(text));
	free(text);
	json_t *config = unwrap(root);
	json_t *auths = json_object_get(config, "auths");
	if (json_is_object(auths))
		*ret = only_for(image, auths);
	else
		r = err_set(reterr, -EINVAL, "%s: neither a docker configuration with 'auths' nor a Secret with " CONFIG_KEY " (nor its base64)",
		            strcmp(file, "-") == 0 ? "standard input" : file);
	json_decref(config);
	json_decref(root);
	return r == 0 && !*ret ? err_sys(reterr, -ENOMEM, "cannot read %s", file) : r;
}
