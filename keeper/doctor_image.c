/* The name of an image as a pod spec has it.  Keeper. */
#include "doctor_image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HUB "docker.io" /* what a name without a host means to every client */

/* The first component is a host when it looks like one; else the name has none (distribution's reference grammar). */
static bool looks_like_host(struct strview s)
{
	return sv_eq(s, SV("localhost")) || (s.n && (memchr(s.p, '.', s.n) || memchr(s.p, ':', s.n)));
}

static bool parse_host(const struct doctor_image *i, struct url_hostport *ret)
{
	return url_hostport_parse(sv_str(i->host), ret, NULL) == 0;
}

bool doctor_image_is_local(const struct doctor_image *i)
{
	struct url_hostport at;

	if (!parse_host(i, &at))
		return false;
	return strcmp(at.host, "localhost") == 0 || (at.v6 && strcmp(at.host, "::1") == 0)
	       || (at.literal && !at.v6 && strncmp(at.host, "127.", 4) == 0);
}

unsigned doctor_image_port(const struct doctor_image *i)
{
	struct url_hostport at;

	return parse_host(i, &at) && at.port ? at.port : 80;
}

/* A registry that listens for its name, or a port that is ours: the node comes here by itself. */
static bool leads_here(const struct conf *c, const struct doctor_image *i)
{
	struct url_hostport at;

	if (doctor_image_is_local(i) || doctor_image_port(i) == conf_public_port(c))
		return true;
	if (!parse_host(i, &at))
		return false;
	for (unsigned k = 0; k < c->registries; k++) {
		const char *wanted = c->registry[k]->match_host;
		if (wanted[0] && (strcasecmp(wanted, i->host) == 0 || strcasecmp(wanted, at.host) == 0))
			return true;
	}
	return false;
}

static int take_host(struct strview *text, struct doctor_image *i, struct err *reterr)
{
	struct url_hostport at;
	const char *slash = text->n ? memchr(text->p, '/', text->n) : NULL;
	const struct strview first = slash ? sv_make(text->p, (size_t)(slash - text->p)) : SV_NONE;

	i->nameless = !looks_like_host(first);
	if (i->nameless)
		return sv_copy(i->host, sizeof(i->host), SV(HUB)) ? 0 : -EINVAL;
	if (!sv_copy(i->host, sizeof(i->host), first) || url_hostport_parse(first, &at, NULL) < 0)
		return err_set(reterr, -EINVAL, "'%.*s' is no host and port", (int)(first.n < 64 ? first.n : 64), first.p);
	*text = sv_from(*text, first.n + 1);
	return 0;
}

/* Cuts @digest and :tag off the name. */
static void take_reference(struct strview *name, struct strview *ret)
{
	const char *at = name->n ? memchr(name->p, '@', name->n) : NULL;
	struct strview digest = SV_NONE;

	*ret = SV("latest");
	if (at) {
		digest = sv_from(*name, (size_t)(at + 1 - name->p));
		name->n = (size_t)(at - name->p);
	}
	const char *colon = name->n ? memrchr(name->p, ':', name->n) : NULL;
	if (colon) {
		*ret = sv_from(*name, (size_t)(colon + 1 - name->p));
		name->n = (size_t)(colon - name->p);
	}
	if (at)
		*ret = digest;
}

/* Nothing that could mean something else in a request target; the grammar proper is route_find's to check. */
static bool is_plain(struct strview s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("?#%&=+\\\"<>", s.p[i]))
			return false;
	return true;
}

int doctor_image_parse(const struct conf *c, struct strview text, struct doctor_image *ret, struct err *reterr)
{
	struct doctor_image i = { .by_ns = false };
	struct strview reference;

	text = sv_trim(text);
	if (text.n == 0 || text.n >= DOCTOR_IMAGE_MAX || !is_plain(text))
		return err_set(reterr, -EINVAL, "no image name of a pod spec (host:port/name:tag)");
	if (sv_contains(text, SV("://")))
		return err_set(reterr, -EINVAL, "an image name has no scheme: leave away what comes before '://', and that");
	int r = take_host(&text, &i, reterr);
	if (r < 0)
		return r;
	take_reference(&text, &reference);
	i.by_ns = !leads_here(c, &i);
	(void)sv_copy(i.reference, sizeof(i.reference), reference);
	const bool official = i.nameless && text.n && !memchr(text.p, '/', text.n);
	const int n = snprintf(i.target, sizeof(i.target), "/v2/%s" SV_FMT "/manifests/" SV_FMT "%s%s", official ? "library/" : "",
	                       SV_ARG(text), SV_ARG(reference), i.by_ns ? "?ns=" : "", i.by_ns ? i.host : "");
	if (n < 0 || (size_t)n >= sizeof(i.target))
		return err_set(reterr, -EINVAL, "the image name is too long");
	i.name_bytes = text.n + (official ? sizeof("library/") - 1 : 0);
	*ret = i;
	return 0;
}

struct strview doctor_image_repository(const struct doctor_image *i)
{
	return sv_make(i->target + sizeof("/v2/") - 1, i->name_bytes);
}
