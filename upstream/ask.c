/* The request head as it leaves for the proxy.  Worker and keeper. */
#include "ask.h"

#define LOCATION_ID SV("SAP-Connectivity-SCC-Location_ID")
#define CRLF_BYTES  2
#define COLON_BYTES 2 /* ": " */

/* What is the fetch's own to say, whatever the request brings. */
static bool is_own(struct strview name)
{
	static const struct strview own[] = {
		{ "Host", 4 }, { "Accept-Encoding", 15 }, { "X-Forwarded-Host", 16 },
		{ "X-Forwarded-Proto", 17 }, { "Connection", 10 },
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (sv_eq_nocase(name, own[i]))
			return true;
	return false;
}

static bool is_secret(struct strview name)
{
	return sv_eq_nocase(name, SV("Authorization")) || sv_eq_nocase(name, SV("Cookie"));
}

static struct strview authority(const struct fetch_request *rq)
{
	return sv_str(rq->at ? rq->at->authority : rq->registry->authority);
}

static struct strview method_text(enum http_method method)
{
	switch (method) {
	case HTTP_HEAD: return SV("HEAD ");
	case HTTP_POST: return SV("POST ");
	default: return SV("GET ");
	}
}

static bool has_field(const struct fetch_request *rq, struct strview name)
{
	for (unsigned i = 0; i < rq->fields; i++)
		if (sv_eq_nocase(rq->field[i].name, name))
			return true;
	return false;
}

/* Is it the proxy that reads the request?  Else it is the server itself, over a tunnel or without any proxy. */
static bool to_proxy(const struct fetch_request *rq)
{
	return !conf_speaks_tls(rq->registry);
}

static bool absolute(const struct fetch_request *rq)
{
	return to_proxy(rq) && rq->registry->proxy->request_form == CONF_FORM_ABSOLUTE;
}

/* A proxy is told the virtual host and port; a server its own name, as a URL has it: one that signed it would know no other.
 * RFC 9110 4.2: the default port is left out. */
static struct strview host_field(const struct fetch_request *rq, char dst[URL_AUTHORITY_MAX])
{
	if (to_proxy(rq))
		return authority(rq);
	const bool https = rq->at ? rq->https : rq->registry->scheme == CONF_SCHEME_HTTPS;
	struct url_hostport own = rq->at ? rq->at->at : rq->registry->host;
	if (own.port == (https ? 443 : 80))
		own.port = 0;
	url_authority(&own, dst);
	return sv_str(dst);
}

static struct strview forwarded_proto(const struct conf_registry *r)
{
	switch (r->forwarded_proto) {
	case CONF_FORWARDED_HTTP: return SV("http");
	case CONF_FORWARDED_HTTPS: return SV("https");
	case CONF_FORWARDED_NONE: break;
	}
	return SV_NONE;
}

static struct strview location_id(const struct fetch_request *rq)
{
	return to_proxy(rq) ? sv_str(rq->registry->location_id) : SV_NONE;
}

static bool put_line(struct buf *b, const struct fetch_request *rq, enum http_method method)
{
	bool whole = absolute(rq);

	return buf_put(b, method_text(method)) && buf_put(b, whole ? SV("http://") : SV_NONE)
	       && buf_put(b, whole ? authority(rq) : SV_NONE)
	       && buf_put(b, rq->path) && buf_put(b, SV(" HTTP/1.1\r\n"));
}

static bool put_unless_empty(struct buf *b, struct strview name, struct strview value)
{
	return value.n == 0 || http_put_field(b, name, value);
}

static bool put_own(struct buf *b, const struct fetch_request *rq)
{
	const struct conf_registry *r = rq->registry;
	UNCLEARED char text[URL_AUTHORITY_MAX];
	const struct strview host = host_field(rq, text);
	/* What a registry needs to write URLs; a token server or a storage has no use for it. */
	struct strview forwarded = r->forwarded_host && !rq->at ? host : SV_NONE;
	struct strview proto = rq->at ? SV_NONE : forwarded_proto(r);
	struct strview id = has_field(rq, SV("X-Request-Id")) ? SV_NONE : rq->id;

	return http_put_field(b, SV("Host"), host) && put_unless_empty(b, SV("X-Forwarded-Host"), forwarded)
	       && put_unless_empty(b, SV("X-Forwarded-Proto"), proto)
	       && put_unless_empty(b, LOCATION_ID, location_id(rq))
	       /* What a tunnel or registry compressed could not be resumed, nor compared with its digest. */
	       && buf_put(b, SV("Accept-Encoding: identity\r\n"))
	       && put_unless_empty(b, SV("X-Request-Id"), id);
}

static bool put_form(struct buf *b, const struct fetch_request *rq)
{
	return buf_printf(b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n", rq->body.n);
}

/* In a tunnel they were said to who opened it. */
static bool put_proxy_credentials(struct buf *b, const struct fetch_request *rq, const struct proxy_token *token)
{
	const struct conf_login *basic = rq->registry->proxy->basic;

	if (!to_proxy(rq))
		return true;
	if (token)
		return proxy_token_put(token, b);
	return !basic || http_put_field(b, SV("Proxy-Authorization"), sv_str(basic->value));
}

bool ask_build(struct buf *b, const struct fetch_request *rq, enum http_method method, const struct proxy_token *token,
               const char *authorization)
{
	if (!put_line(b, rq, method) || !put_own(b, rq))
		return false;
	if (!put_proxy_credentials(b, rq, token))
		return false;
	if (authorization && !http_put_field(b, SV("Authorization"), sv_str(authorization)))
		return false;
	if (method == HTTP_POST && !put_form(b, rq))
		return false;
	for (unsigned i = 0; i < rq->fields; i++)
		if (!is_own(rq->field[i].name) && !(rq->anonymous && is_secret(rq->field[i].name))
		    && !http_put_field(b, rq->field[i].name, rq->field[i].value))
			return false;
	return buf_put(b, SV("\r\n"));
}

bool ask_fits(const struct fetch_request *rq, struct strview *ret_what)
{
	size_t limit = to_proxy(rq) ? ASK_LINE_MAX : ASK_HEAD_MAX;
	size_t line = sizeof("HEAD  HTTP/1.1") - 1 + rq->path.n
	              + (absolute(rq) ? sizeof("http://") - 1 + authority(rq).n : 0);
	size_t total = line + CRLF_BYTES;

	if (line > limit) {
		*ret_what = SV("the request line");
		return false;
	}
	for (unsigned i = 0; i < rq->fields; i++) {
		size_t n = rq->field[i].name.n + COLON_BYTES + rq->field[i].value.n;
		if (n > limit) {
			*ret_what = rq->field[i].name;
			return false;
		}
		total += n + CRLF_BYTES;
	}
	/* Host, location id and the like come from the configuration; they are short. */
	const size_t secrets = (rq->registry->proxy->auth == CONF_AUTH_NONE ? 0 : ASK_LINE_MAX) + (rq->login ? ASK_LINE_MAX : 0);
	if (total > ASK_HEAD_MAX - 2048 - secrets) {
		*ret_what = SV("the request head");
		return false;
	}
	return true;
}
