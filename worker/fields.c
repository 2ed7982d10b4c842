/* Which header fields pass, on either side.  Worker. */
#include "fields.h"

#include "cleanup.h"

static bool in_list(const struct strview *list, size_t count, struct strview name)
{
	for (size_t i = 0; i < count; i++)
		if (sv_eq_nocase(list[i], name))
			return true;
	return false;
}

static bool has_prefix(struct strview name, struct strview prefix)
{
	return name.n >= prefix.n && sv_eq_nocase(sv_make(name.p, prefix.n), prefix);
}

bool fields_request_passes(const struct http_head *h, struct strview name)
{
	static const struct strview dropped[] = {
		SV("Host"), SV("Accept-Encoding"), SV("X-Request-Id"), /* the relay's own */
		SV("Content-Length"), SV("Content-Type"), SV("Content-Encoding"), SV("Expect"), /* of a body */
		SV("Forwarded"), SV("X-Real-Ip"), SV("Via"), SV("Max-Forwards"),
		SV("HTTP2-Settings"), SV("X-Original-Url"), SV("X-Rewrite-Url"),
	};

	return !memchr(name.p, '_', name.n) && !has_prefix(name, SV("Proxy-"))
	       && !has_prefix(name, SV("SAP-")) && !has_prefix(name, SV("X-Forwarded-"))
	       && !in_list(dropped, ARRAY_LEN(dropped), name) && !http_head_is_hop_by_hop(h, name);
}

unsigned fields_request(const struct http_head *h, struct http_field *dst, unsigned cap)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->fields && n < cap; i++)
		if (fields_request_passes(h, h->field[i].name))
			dst[n++] = h->field[i];
	return n;
}

unsigned fields_token(const struct http_head *h, struct http_field *dst, unsigned cap)
{
	static const struct strview kept[] = { SV("Authorization"), SV("Accept"), SV("User-Agent") };
	unsigned n = 0;

	for (unsigned i = 0; i < h->fields && n < cap; i++)
		if (in_list(kept, ARRAY_LEN(kept), h->field[i].name))
			dst[n++] = h->field[i];
	return n;
}

bool fields_answer_passes(const struct http_head *h, struct strview name)
{
	static const struct strview kept[] = {
		SV("Content-Type"), SV("Docker-Content-Digest"), SV("Docker-Distribution-Api-Version"),
		SV("ETag"), SV("Date"), SV("Last-Modified"), SV("Accept-Ranges"), SV("Content-Range"),
		SV("WWW-Authenticate"), SV("Link"), SV("Location"), SV("Warning"), SV("Retry-After"),
		SV("OCI-Subject"), SV("OCI-Filters-Applied"), SV("OCI-Namespace"), SV("Content-Encoding"),
		SV("Content-Disposition"), SV("Cache-Control"), SV("Vary"), SV("Allow"),
	};

	return (in_list(kept, ARRAY_LEN(kept), name) || has_prefix(name, SV("RateLimit-"))
	        || sv_eq_nocase(name, SV("RateLimit")))
	       && !http_head_is_hop_by_hop(h, name);
}
