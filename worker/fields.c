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

#define IS(text) sv_eq_nocase(name, SV(text))

/* What the relay says itself, what belongs to a body, and what might lead the upstream astray.  By length, so that each name is
 * compared with two or three. */
static bool request_drops(struct strview name)
{
	switch (name.n) {
	case 3: return IS("Via");
	case 4: return IS("Host");
	case 6: return IS("Expect");
	case 9: return IS("Forwarded") || IS("X-Real-Ip");
	case 12: return IS("Content-Type") || IS("Max-Forwards") || IS("X-Request-Id");
	case 13: return IS("X-Rewrite-Url");
	case 14: return IS("Content-Length") || IS("HTTP2-Settings") || IS("X-Original-Url");
	case 15: return IS("Accept-Encoding");
	case 16: return IS("Content-Encoding");
	default: return false;
	}
}

bool fields_request_passes(const struct http_head *h, struct strview name)
{
	return !memchr(name.p, '_', name.n) && !has_prefix(name, SV("Proxy-"))
	       && !has_prefix(name, SV("SAP-")) && !has_prefix(name, SV("X-Forwarded-"))
	       && !request_drops(name) && !http_head_is_hop_by_hop(h, name);
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

/* What a registry client has a use for; by length, too. */
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
