/* What a pull secret has for an image.  Keeper. */
#include "doctor_order.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base64.h"

#define LABEL_MAX 64

/* A key taken apart: what is before the first '/', and what is behind it. */
struct key {
	struct strview host, path;
};

static struct key read_key(const char *text)
{
	struct strview s = sv_str(text);
	struct key k;

	if (sv_starts(s, SV("https://")))
		s = sv_from(s, sizeof("https://") - 1);
	else if (sv_starts(s, SV("http://")))
		s = sv_from(s, sizeof("http://") - 1);
	(void)sv_cut(&s, '/', &k.host);
	if (sv_starts(s, SV("v1/")) || sv_starts(s, SV("v2/")))
		s = sv_from(s, 3);
	k.path = s;
	return k;
}

static bool label_covers(struct strview pattern, struct strview label)
{
	char p[LABEL_MAX], l[LABEL_MAX];

	return sv_copy(p, sizeof(p), pattern) && sv_copy(l, sizeof(l), label) && fnmatch(p, l, FNM_NOESCAPE) == 0;
}

/* Cuts ":port" off *host: it, or what is empty. */
static struct strview cut_port(struct strview *host)
{
	const char *colon = host->n ? memrchr(host->p, ':', host->n) : NULL;
	const struct strview port = colon ? sv_from(*host, (size_t)(colon - host->p)) : SV_NONE;

	host->n -= port.n;
	return port;
}

/* Label by label; a port has no patterns. */
static bool host_covers(struct strview pattern, struct strview host)
{
	struct strview p, h;

	if (sv_eq_nocase(pattern, host)) /* also an IPv6 address, whose brackets are no pattern */
		return true;
	if (!sv_eq(cut_port(&pattern), cut_port(&host)))
		return false;
	while (pattern.n && host.n) {
		(void)sv_cut(&pattern, '.', &p);
		(void)sv_cut(&host, '.', &h);
		if (!label_covers(p, h))
			return false;
	}
	return pattern.n == 0 && host.n == 0;
}

/* What the kubelet falls back to for docker.io: the key that `docker login` writes. */
static bool is_of_hub(const struct key *k, const char *host)
{
	return strcmp(host, "docker.io") == 0 && k->path.n == 0 && sv_eq(k->host, SV("index.docker.io"));
}

static void list_key(struct doctor_secret *s, const char *key)
{
	const size_t used = strlen(s->keys), n = strlen(key);
	char *at = s->keys + used;

	if (used + n + sizeof(", ...") >= sizeof(s->keys)) {
		if (used + sizeof(", ...") <= sizeof(s->keys))
			memcpy(at, ", ...", sizeof(", ..."));
		return;
	}
	if (used) {
		memcpy(at, ", ", 2);
		at += 2;
	}
	for (size_t i = 0; i <= n; i++)
		at[i] = key[i] == '\0' || (key[i] >= 0x20 && key[i] < 0x7f) ? key[i] : '?';
}

/* --- credentials ------------------------------------------------------------------------------------------------ */

static char *basic_of(const char *encoded)
{
	static const char scheme[] = "Basic ";
	const size_t n = strlen(encoded);
	char *text = malloc(sizeof(scheme) + n);

	if (text) {
		memcpy(text, scheme, sizeof(scheme) - 1);
		memcpy(text + sizeof(scheme) - 1, encoded, n + 1);
	}
	return text;
}

/* "user:password" as base64. */
static int take_encoded(const char *encoded, struct doctor_secret *s)
{
	const size_t cap = strlen(encoded) + 1;
	char *plain = malloc(cap);
	const ssize_t n = plain ? base64_decode(sv_str(encoded), plain, cap) : -ENOMEM;
	const bool good = n > 0 && memchr(plain, ':', (size_t)n);

	if (n > 0)
		explicit_bzero(plain, (size_t)n);
	free(plain);
	if (n == -ENOMEM)
		return -ENOMEM;
	s->why = "its 'auth' is not the base64 of user:password";
	if (!good)
		return 0;
	s->authorization = basic_of(encoded);
	return s->authorization ? 0 : -ENOMEM;
}

static int take_pair(const char *user, const char *password, struct doctor_secret *s)
{
	char *plain = NULL, *encoded = NULL;
	const int n = asprintf(&plain, "%s:%s", user, password);

	if (n >= 0)
		encoded = malloc(BASE64_MAX((size_t)n) + 1);
	if (encoded) {
		const size_t length = base64_encode(sv_make(plain, (size_t)n), encoded);
		s->authorization = basic_of(encoded);
		explicit_bzero(encoded, length);
	}
	if (n >= 0) {
		explicit_bzero(plain, (size_t)n);
		free(plain);
	}
	free(encoded);
	return s->authorization ? 0 : -ENOMEM;
}

static int take_entry(const json_t *entry, struct doctor_secret *s)
{
	const char *encoded = json_string_value(json_object_get(entry, "auth"));
	const char *user = json_string_value(json_object_get(entry, "username"));
	const char *password = json_string_value(json_object_get(entry, "password"));

	s->why = "it has neither 'auth' nor 'username' and 'password'";
	if (user && password)
		return take_pair(user, password, s);
	return encoded && encoded[0] ? take_encoded(encoded, s) : 0;
}

int doctor_secret_find(json_t *auths, const char *host, struct strview repository, struct doctor_secret *ret)
{
	struct doctor_secret s = { .why = "" };
	const json_t *best = NULL;
	size_t best_n = 0;

	for (void *i = json_object_iter(auths); i; i = json_object_iter_next(auths, i)) {
		const char *text = json_object_iter_key(i);
		const struct key k = read_key(text);
		const bool covers = host_covers(k.host, sv_str(host)) && sv_starts(repository, k.path);
		const size_t n = covers ? k.host.n + k.path.n : 0;
		list_key(&s, text);
		if (!covers && !is_of_hub(&k, host))
			continue;
		if (!best || n > best_n) {
			best = json_object_iter_value(i);
			best_n = n;
		}
	}
	s.fits = best != NULL;
	int r = best ? take_entry(best, &s) : 0;
	*ret = s;
	return r;
}

void doctor_secret_done(struct doctor_secret *s)
{
	if (s->authorization) {
		explicit_bzero(s->authorization, strlen(s->authorization));
		free(TAKE(s->authorization));
	}
}
