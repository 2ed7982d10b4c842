/* What ties a second answer to the first.  Worker and keeper. */
#include "validator.h"

#include "cleanup.h"

/* .../blobs/ALGORITHM:HEX or .../manifests/ALGORITHM:HEX; a tag has no colon. */
static bool names_digest(struct strview path)
{
	struct strview rest = path;

	if (!sv_cut(&rest, '?', &path))
		return false;
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
	if (!slash)
		return false;
	const struct strview before = sv_make(path.p, (size_t)(slash - path.p)), last = sv_from(path, before.n + 1);
	return last.n && memchr(last.p, ':', last.n) && (sv_ends(before, SV("/blobs")) || sv_ends(before, SV("/manifests")));
}

/* The only one of its name, or nothing. */
static void keep(char dst[VALIDATOR_MAX], const struct http_head *h, struct strview name)
{
	struct strview value = http_head_value(h, name);

	if (http_head_count(h, name) != 1 || !sv_copy(dst, VALIDATOR_MAX, value))
		dst[0] = '\0';
}

bool validator_learn(struct validator *v, struct strview path, const struct http_head *h)
{
	v->etag[0] = v->digest[0] = '\0';
	v->by_url = names_digest(path);
	if (v->by_url) /* says it all */
		return true;
	keep(v->etag, h, SV("ETag"));
	keep(v->digest, h, SV("Docker-Content-Digest"));
	if (v->etag[0] != '"') /* W/"...": equal in meaning, not byte by byte */
		v->etag[0] = '\0';
	return v->etag[0] || v->digest[0];
}

const char *validator_if_range(const struct validator *v)
{
	return v->by_url ? "" : v->etag;
}

static bool differs(const char *kept, struct strview now)
{
	return kept[0] && now.n && !sv_eq(sv_str(kept), now);
}

bool validator_same(const struct validator *v, const struct http_head *h)
{
	struct strview etag = http_head_value(h, SV("ETag")), digest = http_head_value(h, SV("Docker-Content-Digest"));

	if (v->by_url)
		return true;
	if (differs(v->etag, etag) || differs(v->digest, digest))
		return false;
	/* Only the upstream that compared for us (If-Range) may leave them out. */
	return (v->etag[0] && (h->status == 206 || etag.n)) || (v->digest[0] && digest.n);
}
