/* Whose error is it?  Texts of the connectivity proxy and the Cloud Connector.  Worker and keeper. */
#include "classify.h"

#include <stdio.h>

/* Status range, a part of the text, what it means.  The words are SAP's own, as documented or seen. */
static const struct text_row {
	unsigned low, high;
	const char *text;
	struct verdict verdict;
} rows[] = {
	{ 400, 400,
	  "was set with a different value compared to the value which was already used for this connection",
	  { .id = ERROR_PATH_SHARES, .retry = true, .bound = true } },
	{ 403, 403, "Access denied to system ", { .id = ERROR_MAPPING_MISSING, .bound = true } },
	{ 403, 403, "Access denied to resource ", { .id = ERROR_PATH_DENIED, .bound = true } },
	{ 405, 405, "HTTPS proxying is not supported", { .id = ERROR_PROXY_REFUSED } },
	{ 500, 599, "There is no SAP Cloud Connector", { .id = ERROR_TUNNEL_DOWN, .retry = true } },
	{ 500, 599, "No tunnels subscribed for tunnelId", { .id = ERROR_TUNNEL_DOWN, .retry = true } },
	{ 500, 599, "Timed out waiting for tunnel to open", { .id = ERROR_TUNNEL_TIMEOUT, .retry = true } },
	{ 500, 599, "Unable to open connection to backend system",
	  { .id = ERROR_BACKEND_UNREACHABLE, .retry = true } },
};

/* JSON by its Content-Type, parameters aside. */
static bool says_json(const struct http_head *h)
{
	struct strview rest = http_head_value(h, SV("Content-Type")), type;

	return sv_cut(&rest, ';', &type) && sv_eq_nocase(sv_trim(type), SV("application/json"));
}

static bool suspect(unsigned status, enum stats_route route)
{
	switch (status) {
	case 400: case 403: case 405: case 407: return true;
	/* "No referrers" has any form and clients count on it; to a 404 of a token server they react by asking otherwise. */
	case 404: return route != ROUTE_REFERRERS && route != ROUTE_TOKEN;
	default: return status >= 500;
	}
}

enum classify_need classify_head(const struct http_head *h, enum stats_route route)
{
	if (!suspect(h->status, route))
		return CLASSIFY_PASS;
	return says_json(h) && h->status != 407 ? CLASSIFY_JSON : CLASSIFY_BODY;
}

bool classify_is_json(const struct http_head *h, struct strview text)
{
	size_t i = 0;

	while (i < text.n && strchr(" \t\r\n", text.p[i]))
		i++;
	return says_json(h) && i < text.n && text.p[i] == '{';
}

static struct verdict unknown_text(unsigned status)
{
	switch (status) {
	/* An answer without a known text: nobody but something on the way says these so that a client gains
	 * by hearing them; a registry's own come as JSON. */
	case 502: case 503: case 504: return (struct verdict){ .id = ERROR_UPSTREAM_ERROR, .retry = true };
	case 404: return (struct verdict){ .id = ERROR_NOT_A_REGISTRY };
	/* 400, 403, 405, 500 and the like in any other form are passed on: a registry behind a web server
	 * says them in HTML, and its words are better than ours. */
	default: return (struct verdict){ .id = ERROR_NONE };
	}
}

struct verdict classify_text(const struct http_head *h, enum stats_route route, struct strview text)
{
	if (h->status == 407) /* a registry is never asked as a proxy */
		return (struct verdict){ .id = ERROR_PROXY_TOKEN };
	if (!suspect(h->status, route) || classify_is_json(h, text))
		return (struct verdict){ .id = ERROR_NONE };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct text_row *r = &rows[i];
		if (h->status >= r->low && h->status <= r->high && sv_contains(text, sv_str(r->text)))
			return r->verdict;
	}
	return unknown_text(h->status);
}

struct verdict classify_from_server(struct verdict v)
{
	if (v.id == ERROR_NONE || error_row(v.id)->reason != REASON_PROXY)
		return v;
	return (struct verdict){ .id = ERROR_UPSTREAM_ERROR, .retry = v.retry };
}

/* The first line of a text, cut to a few words; nothing of markup. */
static struct strview first_words(struct strview text)
{
	size_t n = 0;

	text = sv_trim(text);
	if (text.n == 0 || text.p[0] == '<' || text.p[0] == '{' || text.p[0] == '[')
		return SV_NONE;
	while (n < text.n && (unsigned char)text.p[n] >= 0x20 && (unsigned char)text.p[n] < 0x7f)
		n++;
	return sv_make(text.p, n);
}

void classify_detail(const struct http_head *h, struct strview text, char *dst)
{
	struct strview words = first_words(text), reason = h->reason;

	if (reason.n > 32)
		reason.n = 32;
	if (words.n > 48)
		words.n = 48;
	(void)snprintf(dst, CLASSIFY_DETAIL, "%u%s" SV_FMT "%s" SV_FMT, h->status, reason.n ? " " : "",
	               SV_ARG(reason), words.n ? ": " : "", SV_ARG(words));
}
