/* Which fields pass, and the heads that are built from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "answer_head.h"
#include "fields.h"

#define WHEN 784111777000ull

static char default_name[] = "default";
static const struct conf_registry registry = { .name = default_name };
static const struct route plain = { .registry = &registry };
static const struct route by_ns = { .registry = &registry, .ns = "four.io" };

static void add(struct http_head *h, const char *name, const char *value)
{
	http_head_add(h, sv_str(name), sv_str(value));
}

static void request_fields(void **state)
{
	static const char *const passing[] = { "Accept", "accept", "Authorization", "Range", "If-Range", "If-None-Match",
		                               "User-Agent", "traceparent", "tracestate", "Cookie", "Docker-Distribution-Api-Version",
		                               "Cache-Control", "X-Whatever" };
	static const char *const dropped[] = { "Host", "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
		                               "Proxy-Authorization", "proxy-connection", "SAP-Connectivity-SCC-Location_ID",
		                               "sap-connectivity-authentication", "SAP-X", "X-Forwarded-Host", "x-forwarded-for",
		                               "X-Forwarded-Proto", "Forwarded", "Accept-Encoding", "Content-Length", "Content-Type",
		                               "Expect", "SSL_CLIENT_CERT", "x_custom", "X-Secret-Hop", "X-Request-Id", "Via",
		                               "Content-Encoding", "X-Real-Ip", "Max-Forwards", "HTTP2-Settings", "X-Original-Url",
		                               "x-rewrite-url" };
	struct http_head h = { 0 };
	struct http_field kept[HTTP_FIELDS_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(passing); i++)
		add(&h, passing[i], "v");
	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		add(&h, dropped[i], sv_eq(sv_str(dropped[i]), SV("Connection")) ? "keep-alive, X-Secret-Hop" : "v");
	assert_int_equal(fields_request(&h, kept, ARRAY_LEN(kept)), ARRAY_LEN(passing));
	for (size_t i = 0; i < ARRAY_LEN(passing); i++)
		assert_true(sv_eq(kept[i].name, sv_str(passing[i])));
	assert_int_equal(fields_request(&h, kept, 2), 2);
}

static void head_of(struct http_head *h, unsigned status, const char *reason)
{
	*h = (struct http_head){ .minor = 1, .status = status, .reason = sv_str(reason) };
}

static const char *render(const struct answer *a)
{
	static uint8_t mem[4096];
	struct buf b = { .mem = mem, .cap = sizeof(mem) - 1 };

	assert_true(answer_head_put(&b, a));
	mem[b.end] = '\0';
	return (const char *)mem;
}

static void answer_fields(void **state)
{
	struct http_head h;
	struct answer a = { .head = &h, .framing = HTTP_BODY_LENGTH, .length = 2, .minor = 1, .route = &plain, .wall_ms = WHEN,
		            .request_id = SV("id-1") };

	(void)state;
	head_of(&h, 200, "OK");
	add(&h, "Content-Type", "application/json");
	add(&h, "Docker-Content-Digest", "sha256:x");
	add(&h, "Content-Length", "2");
	add(&h, "Set-Cookie", "a=b");
	add(&h, "Server", "secret/1");
	add(&h, "Connection", "keep-alive, ETag");
	add(&h, "ETag", "\"x\"");
	add(&h, "Keep-Alive", "timeout=1");
	add(&h, "X-Regrelay-Error", "forged");
	add(&h, "X-Request-Id", "theirs");
	add(&h, "WWW-Authenticate", "Basic realm=\"a\"");
	add(&h, "www-authenticate", "Bearer realm=\"b\"");
	add(&h, "RateLimit-Limit", "100");
	add(&h, "Link", "</v2/x>; rel=\"next\"");
	assert_string_equal(render(&a), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDocker-Content-Digest: sha256:x\r\n"
	                                "WWW-Authenticate: Basic realm=\"a\"\r\nwww-authenticate: Bearer realm=\"b\"\r\n"
	                                "RateLimit-Limit: 100\r\nLink: </v2/x>; rel=\"next\"\r\nContent-Length: 2\r\n"
	                                "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Request-Id: id-1\r\n\r\n");
}

/* In any case, and nothing that only looks like one of them. */
static void answer_fields_that_pass(void **state)
{
	static const char *const kept[] = {
		"Content-Type", "Docker-Content-Digest", "Docker-Distribution-Api-Version", "ETag", "Date", "Last-Modified",
		"Accept-Ranges", "Content-Range", "WWW-Authenticate", "Link", "Location", "Warning", "Retry-After", "OCI-Subject",
		"OCI-Filters-Applied", "OCI-Namespace", "Content-Encoding", "Content-Disposition", "Cache-Control", "Vary", "Allow",
		"RateLimit", "RateLimit-Limit", "RateLimit-X",
	};
	static const char *const dropped[] = { "Content-Length", "Server", "Set-Cookie", "Connection", "Transfer-Encoding",
		                               "Keep-Alive", "Expires", "Age", "Via", "RateLimi", "RateLimits" };
	const struct http_head h = { .fields = 0 };
	char name[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		assert_true(fields_answer_passes(&h, sv_str(kept[i])));
		assert_true(sv_copy(name, sizeof(name), sv_str(kept[i])));
		for (char *p = name; *p; p++)
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 0x20 : *p);
		assert_true(fields_answer_passes(&h, sv_str(name)));
		name[strlen(name) - 1] ^= 0x01;
		assert_int_equal(fields_answer_passes(&h, sv_str(name)), strncmp(name, "RATELIMIT-", 10) == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		assert_false(fields_answer_passes(&h, sv_str(dropped[i])));
}

static void framing(void **state)
{
	static const struct {
		unsigned status, minor;
		bool to_head, has_length;
		enum http_framing from;
		enum answer_framing to;
		const char *field; /* NULL = neither */
	} row[] = {
		{ 200, 1, false, true, HTTP_BODY_LENGTH, ANSWER_LENGTH, "Content-Length: 7\r\n" },
		{ 200, 0, false, true, HTTP_BODY_LENGTH, ANSWER_LENGTH, "Content-Length: 7\r\n" },
		{ 200, 1, false, false, HTTP_BODY_CHUNKED, ANSWER_CHUNKED, "Transfer-Encoding: chunked\r\n" },
		{ 200, 0, false, false, HTTP_BODY_CHUNKED, ANSWER_CLOSE, "Connection: close\r\n" },
		{ 200, 1, false, false, HTTP_BODY_CLOSE, ANSWER_CHUNKED, "Transfer-Encoding: chunked\r\n" },
		{ 200, 0, false, false, HTTP_BODY_CLOSE, ANSWER_CLOSE, "Connection: close\r\n" },
		{ 200, 1, true, true, HTTP_BODY_NONE, ANSWER_NO_BODY, "Content-Length: 7\r\n" },
		{ 200, 1, true, false, HTTP_BODY_NONE, ANSWER_NO_BODY, NULL },
		{ 304, 1, false, true, HTTP_BODY_NONE, ANSWER_NO_BODY, "Content-Length: 7\r\n" },
		{ 204, 1, false, true, HTTP_BODY_NONE, ANSWER_NO_BODY, NULL },
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		head_of(&h, row[i].status, "X");
		h.has_length = row[i].has_length;
		h.content_length = 7;
		const struct answer a = { .head = &h, .framing = row[i].from, .length = 7, .minor = row[i].minor,
			                  .to_head = row[i].to_head, .route = &plain, .wall_ms = WHEN };
		assert_int_equal(answer_framing(&a), row[i].to);
		const struct strview text = sv_str(render(&a));
		if (row[i].field)
			assert_true(sv_contains(text, sv_str(row[i].field)));
		assert_int_equal(sv_contains(text, SV("Content-Length")), row[i].field && row[i].field[3] == 't' && row[i].field[8] == 'L');
		assert_int_equal(sv_contains(text, SV("Transfer-Encoding")), row[i].to == ANSWER_CHUNKED);
	}
}

static void reason_namespace_and_close(void **state)
{
	struct http_head h;

	(void)state;
	head_of(&h, 404, "N\xc3\xb6pe");
	add(&h, "OCI-Namespace", "theirs");
	add(&h, "Date", "Mon, 01 Jan 2024 00:00:00 GMT");
	const struct answer a = { .head = &h, .framing = HTTP_BODY_LENGTH, .minor = 1, .route = &by_ns, .close = true };
	assert_string_equal(render(&a), "HTTP/1.1 404 N??pe\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 0\r\n"
	                                "OCI-Namespace: four.io\r\nConnection: close\r\n\r\n");
}

static void no_room_appends_nothing(void **state)
{
	struct http_head h;
	uint8_t mem[120];

	(void)state;
	head_of(&h, 200, "OK");
	add(&h, "ETag", "\"0123456789\"");
	const struct answer a = { .head = &h, .framing = HTTP_BODY_CHUNKED, .minor = 1, .route = &plain, .wall_ms = WHEN };
	for (size_t cap = 0; cap < 100; cap++) {
		struct buf b = { .mem = mem, .cap = cap };
		assert_false(answer_head_put(&b, &a));
		assert_int_equal(buf_len(&b), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_fields), cmocka_unit_test(answer_fields),
		cmocka_unit_test(answer_fields_that_pass), cmocka_unit_test(framing),
		cmocka_unit_test(reason_namespace_and_close), cmocka_unit_test(no_room_appends_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
