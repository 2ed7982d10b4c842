/* One request of a client: what it asks for, whether it may pass, how it ended.  Worker. */
#include "request.h"

#include "fields.h"
#include "request_id.h"
#include "token.h"

static void take_id(struct request *rq, const struct http_head *h)
{
	struct strview given = h ? http_head_value(h, SV("X-Request-Id")) : SV_NONE;

	if (!request_id_ok(given) || !sv_copy(rq->id, sizeof(rq->id), given))
		request_id_make(rq->id);
}

struct request *request_new(const struct http_head *h, uint64_t now_ms)
{
	struct request *rq = malloc(sizeof(*rq) + (h ? ROUTE_PATH_MAX(h->target.n) : 0));

	if (!rq)
		return NULL;
	rq->method = h ? h->method : HTTP_METHOD_OTHER;
	rq->method_text = h ? h->method_text : SV_NONE;
	rq->target = h ? h->target : SV_NONE;
	rq->host = h ? http_head_value(h, SV("Host")) : SV_NONE;
	rq->user_agent = h ? http_head_value(h, SV("User-Agent")) : SV_NONE;
	rq->minor = h ? h->minor : 1;
	rq->head_bytes = h ? h->bytes : 0;
	rq->route = (struct route){ .kind = ROUTE_OTHER, .error = ERROR_NONE };
	rq->fields = 0; /* the table stays as it is: it is large, and only the first `fields` count */
	/* What follows a body, which may not even be read, is not looked at. */
	rq->close = !h || !h->keep_alive || h->minor == 0 || h->framing != HTTP_BODY_NONE;
	rq->status = 0;
	rq->error = ERROR_NONE;
	rq->error_text[0] = '\0';
	rq->end = REQUEST_COMPLETE;
	rq->began_ms = now_ms;
	rq->head_ms = rq->body_bytes = 0;
	rq->has_facts = false;
	rq->expects = h && h->expect_continue;
	rq->form = (struct form){ .mem = NULL };
	rq->deaf_ping = false;
	rq->content_type = h ? http_head_value(h, SV("Content-Type")) : SV_NONE;
	rq->path_bytes = 0;
	take_id(rq, h);
	return rq;
}

void request_free(struct request *rq)
{
	if (rq)
		form_done(&rq->form);
	free(rq);
}

/* Whom the request is for, when that is known. */
static struct strview authority(const struct request *rq)
{
	if (rq->route.at)
		return sv_str(rq->route.at->authority);
	return rq->route.registry ? sv_str(rq->route.registry->authority) : SV_NONE;
}

void request_fail(struct request *rq, enum error_id id, struct strview detail)
{
	const struct error_context context = { .vhost = authority(rq), .path = rq->target, .detail = detail };

	rq->error = id;
	error_render(id, &context, rq->error_text);
}

/* Tokens are asked for by GET or by POST of a form; all else is read. */
static bool check_method(struct request *rq, const struct http_head *h)
{
	if (h->method == HTTP_GET || h->method == (token_is(h->target) ? HTTP_POST : HTTP_HEAD))
		return true;
	request_fail(rq, ERROR_REQUEST_METHOD, SV_NONE);
	if (sv_eq(h->method_text, SV("CONNECT")))
		rq->close = true; /* what follows would be the tunnel's */
	return false;
}

/* A request without a body has nothing to wait for, so 100-continue is ignored (RFC 9110 10.1.1). */
static bool check_expect(struct request *rq, const struct http_head *h)
{
	if (!http_head_expects_else(h))
		return true;
	request_fail(rq, ERROR_REQUEST_EXPECT, SV_NONE);
	rq->close = true;
	return false;
}

static bool check_line(struct request *rq, const struct http_head *h)
{
	if (h->method_text.n + h->target.n + sizeof("  HTTP/1.1") - 1 <= REQUEST_LINE_MAX)
		return true;
	request_fail(rq, ERROR_REQUEST_LINE, SV_NONE);
	rq->close = true;
	return false;
}

/* skopeo, podman, buildah and CRI-O begin with GET /v2/ and no credentials, and of a failed one they show the bare
 * number, whatever we say; of the manifest's request after it they show all.  They name themselves by a request field
 * that no other client sends with it. */
static bool is_deaf_ping(const struct request *rq, const struct http_head *h)
{
	return rq->route.kind == ROUTE_PING && rq->method == HTTP_GET && !http_head_find(h, SV("Authorization"))
	       && sv_eq(http_head_value(h, SV("Docker-Distribution-Api-Version")), SV("registry/2.0"));
}

bool request_admit(struct request *rq, const struct conf *c, const struct http_head *h)
{
	if (!check_line(rq, h) || !check_method(rq, h) || !check_expect(rq, h))
		return false;
	if (!route_find(c, rq->target, rq->host, &rq->route)) {
		request_fail(rq, rq->route.error, sv_str(rq->route.detail));
		rq->close |= rq->route.ends;
		return false;
	}
	rq->deaf_ping = is_deaf_ping(rq, h);
	rq->path_bytes = route_path(&rq->route, rq->path);
	rq->field[0] = (struct http_field){ SV("X-Request-Id"), sv_str(rq->id) };
	if (rq->route.kind == ROUTE_TOKEN)
		rq->fields = 1 + fields_token(h, rq->field + 1, HTTP_FIELDS_MAX);
	else
		rq->fields = 1 + fields_request(h, rq->field + 1, HTTP_FIELDS_MAX);
	return true;
}

void request_for_fetch(const struct request *rq, struct fetch_request *ret)
{
	*ret = (struct fetch_request){
		.registry = rq->route.registry,
		.at = rq->route.at, .https = rq->route.https,
		.route = rq->route.kind,
		.method = rq->method,
		.path = sv_make(rq->path, rq->path_bytes),
		.field = rq->field,
		.fields = rq->fields,
		.id = sv_str(rq->id),
		.urgent = rq->route.kind != ROUTE_BLOB,
		.login = rq->route.kind != ROUTE_TOKEN,
		.repository = rq->route.repository,
		.body = form_view(&rq->form),
	};
}

bool request_take_form(struct request *rq)
{
	struct form *f = &rq->form;

	f->why = token_form_wrong(rq->content_type, form_view(f));
	if (f->why)
		return false;
	f->n = token_scopes(rq->route.registry, form_view(f), f->mem);
	return true;
}

enum stats_method request_stats_method(const struct request *rq)
{
	switch (rq->method) {
	case HTTP_GET: return STATS_GET;
	case HTTP_HEAD: return STATS_HEAD;
	default: return STATS_METHOD_OTHER;
	}
}

static const struct {
	enum request_side side;
	const char *code;
} ends[] = {
#define END(id, side, code) [REQUEST_##id] = { REQUEST_SIDE_##side, code },
#include "request_ends.def"
#undef END
};

const char *request_end_code(enum request_end end)
{
	return ends[end].code;
}

enum request_side request_end_side(enum request_end end)
{
	return ends[end].side;
}

enum request_end request_end_of(enum error_id broke)
{
	switch (broke) {
	case ERROR_UPSTREAM_TIMEOUT: return REQUEST_UPSTREAM_STALLED;
	case ERROR_UPSTREAM_MALFORMED: return REQUEST_UPSTREAM_MALFORMED;
	case ERROR_UPSTREAM_CHANGED: return REQUEST_UPSTREAM_CHANGED;
	default: return REQUEST_UPSTREAM_CLOSED;
	}
}
