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

#define IS(text) sv_eq_nocase(name, SV(text))

/* By length, so that each name is compared with two or three. */
static bool answer_kept(struct strview name)
{
	switch (name.n) {
	case 4: return IS("Date") || IS("ETag") || IS("Link") || IS("Vary");
	case 5: return IS("Allow");
	case 7: return IS("Warning");
	case 8: return IS("Location");
	case 9: return IS("RateLimit");
	case 11: return IS("OCI-Subject") || IS("Retry-After");
	case 12: return IS("Content-Type");
	case 13: return IS("Accept-Ranges") || IS("Cache-Control") || IS("Content-Range") || IS("Last-Modified")
	                || IS("OCI-Namespace");
	case 16: return IS("Content-Encoding") || IS("WWW-Authenticate");
	case 19: return IS("Content-Disposition") || IS("OCI-Filters-Applied");
	case 21: return IS("Docker-Content-Digest");
	case 31: return IS("Docker-Distribution-Api-Version");
	default: return false;
	}
}

bool fields_answer_passes(const struct http_head *h, struct strview name)
{
	return (answer_kept(name) || has_prefix(name, SV("RateLimit-"))) && !http_head_names_hop(h, name);
}
