/* The request head as it leaves, byte by byte, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ask.h"

static char vhost[] = "reg.corp:5000", none[] = "", plant[] = "Plant 7";

struct setup {
	struct conf_proxy proxy;
	struct conf_registry registry;
	struct fetch_request rq;
	struct http_field field[4];
	uint8_t mem[64 * 1024];
	struct buf out;
};

static void init(struct setup *s)
{
	memset(s, 0, sizeof(*s));
	s->registry = (struct conf_registry){ .authority = vhost, .proxy = &s->proxy, .location_id = none,
		                              .forwarded_host = true };
	s->registry.host = (struct url_hostport){ .host = "reg.corp", .port = 5000 };
	s->field[0] = (struct http_field){ SV("Accept"), SV("a/b") };
	s->field[1] = (struct http_field){ SV("accept"), SV("c/d;q=0.1") };
	s->field[2] = (struct http_field){ SV("Authorization"), SV("Basic eDp5") };
	s->rq = (struct fetch_request){ .registry = &s->registry, .path = SV("/v2/a/manifests/t?x=y"),
		                        .field = s->field, .fields = 3, .id = SV("r1") };
	s->out = (struct buf){ .mem = s->mem, .cap = sizeof(s->mem) };
}

static void assert_head(struct setup *s, enum http_method method, const char *expected)
{
	assert_true(ask_build(&s->out, &s->rq, method, NULL, NULL));
	assert_true(buf_put(&s->out, sv_make("", 1)));
	assert_string_equal((char *)s->mem, expected);
}

static void origin_form_by_default(void **state)
{
	static struct setup s;

	(void)state;
	init(&s);
	assert_head(&s, HTTP_GET,
	            "GET /v2/a/manifests/t?x=y HTTP/1.1\r\nHost: reg.corp:5000\r\nX-Forwarded-Host: reg.corp:5000\r\n"
	            "Accept-Encoding: identity\r\nX-Request-Id: r1\r\nAccept: a/b\r\naccept: c/d;q=0.1\r\n"
	            "Authorization: Basic eDp5\r\n\r\n");
}

static void absolute_form_location_id_and_proto(void **state)
{
	static struct setup s;

	(void)state;
	init(&s);
	s.proxy.request_form = CONF_FORM_ABSOLUTE;
	s.registry.location_id = plant;
	s.registry.forwarded_host = false;
	s.registry.forwarded_proto = CONF_FORWARDED_HTTPS;
	s.rq.fields = 0;
	assert_head(&s, HTTP_HEAD,
	            "HEAD http://reg.corp:5000/v2/a/manifests/t?x=y HTTP/1.1\r\nHost: reg.corp:5000\r\n"
	            "X-Forwarded-Proto: https\r\nSAP-Connectivity-SCC-Location_ID: Plant 7\r\n"
	            "Accept-Encoding: identity\r\nX-Request-Id: r1\r\n\r\n");
}

static void a_registry_without_proxy_gets_neither(void **state)
{
	static struct setup s;

	(void)state;
	init(&s);
	s.proxy.direct = true;
	s.proxy.request_form = CONF_FORM_ABSOLUTE;
	s.registry.location_id = plant;
	s.registry.forwarded_host = false;
	s.rq.fields = 0;
	assert_head(&s, HTTP_GET,
	            "GET /v2/a/manifests/t?x=y HTTP/1.1\r\nHost: reg.corp:5000\r\nAccept-Encoding: identity\r\n"
	            "X-Request-Id: r1\r\n\r\n");
}

/* In a tunnel, too, the server reads the request: it is told what a URL would say, and nothing that is the proxy's. */
static void a_server_is_told_its_own_name(void **state)
{
	static struct setup s;
	static char basic[] = "Basic eDp5";
	struct conf_login login = { .value = basic };
	static struct conf_host at = { .at = { .host = "storage.corp", .port = 443 }, .authority = vhost };

	(void)state;
	init(&s);
	s.proxy.protocol = CONF_PROTOCOL_CONNECT;
	s.proxy.basic = &login;
	s.registry.scheme = CONF_SCHEME_HTTPS;
	s.registry.host.port = 443;
	s.registry.forwarded_host = false;
	s.rq.fields = 0;
	assert_head(&s, HTTP_GET,
	            "GET /v2/a/manifests/t?x=y HTTP/1.1\r\nHost: reg.corp\r\nAccept-Encoding: identity\r\nX-Request-Id: r1\r\n\r\n");
	buf_clear(&s.out);
	s.rq.at = &at;
	s.rq.https = true;
	assert_head(&s, HTTP_GET,
	            "GET /v2/a/manifests/t?x=y HTTP/1.1\r\nHost: storage.corp\r\nAccept-Encoding: identity\r\nX-Request-Id: r1\r\n\r\n");
	buf_clear(&s.out);
	s.rq.https = false;
	assert_head(&s, HTTP_GET,
	            "GET /v2/a/manifests/t?x=y HTTP/1.1\r\nHost: storage.corp:443\r\nAccept-Encoding: identity\r\n"
	            "X-Request-Id: r1\r\n\r\n");
	buf_clear(&s.out);
	s.proxy.protocol = CONF_PROTOCOL_HTTP;
	s.rq.at = NULL;
	assert_head(&s, HTTP_GET,
	            "GET /v2/a/manifests/t?x=y HTTP/1.1\r\nHost: reg.corp:5000\r\nAccept-Encoding: identity\r\n"
	            "X-Request-Id: r1\r\nProxy-Authorization: Basic eDp5\r\n\r\n");
}

static void own_fields_are_never_taken_from_the_request(void **state)
{
	static struct setup s;

	(void)state;
	init(&s);
	s.field[0] = (struct http_field){ SV("host"), SV("evil") };
	s.field[1] = (struct http_field){ SV("accept-encoding"), SV("gzip") };
	s.field[2] = (struct http_field){ SV("x-request-id"), SV("the client's") };
	assert_head(&s, HTTP_GET,
	            "GET /v2/a/manifests/t?x=y HTTP/1.1\r\nHost: reg.corp:5000\r\nX-Forwarded-Host: reg.corp:5000\r\n"
	            "Accept-Encoding: identity\r\nx-request-id: the client's\r\n\r\n");
}

static void lines_up_to_the_limit_and_one_more(void **state)
{
	static struct setup s;
	static char text[ASK_LINE_MAX];
	struct strview what;

	(void)state;
	init(&s);
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	s.field[2].value = sv_make(text, ASK_LINE_MAX - strlen("Authorization: "));
	assert_true(ask_fits(&s.rq, &what));
	s.field[2].value.n++;
	assert_false(ask_fits(&s.rq, &what));
	assert_true(sv_eq(what, SV("Authorization")));
	s.rq.fields = 0;
	s.rq.path = sv_make(text, ASK_LINE_MAX - strlen("HEAD  HTTP/1.1"));
	assert_true(ask_fits(&s.rq, &what));
	s.rq.path.n++;
	assert_false(ask_fits(&s.rq, &what));
	assert_true(sv_eq(what, SV("the request line")));
	s.proxy.direct = true;
	assert_true(ask_fits(&s.rq, &what));
}

static void what_fits_can_be_built(void **state)
{
	static struct setup s;
	static char text[ASK_LINE_MAX];
	static struct http_field many[32];
	struct strview what;

	(void)state;
	init(&s);
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct http_field){ SV("X"), sv_make(text, 4000) };
	s.rq.field = many;
	s.rq.fields = 0;
	while (ask_fits(&s.rq, &what))
		s.rq.fields++;
	assert_in_range(s.rq.fields, 10, ARRAY_LEN(many) - 1);
	assert_true(sv_eq(what, SV("the request head")));
	s.rq.fields--;
	assert_true(ask_build(&s.out, &s.rq, HTTP_GET, NULL, NULL));
	s.out = (struct buf){ .mem = s.mem, .cap = 100 };
	assert_false(ask_build(&s.out, &s.rq, HTTP_GET, NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origin_form_by_default),
		cmocka_unit_test(absolute_form_location_id_and_proto),
		cmocka_unit_test(a_server_is_told_its_own_name),
		cmocka_unit_test(a_registry_without_proxy_gets_neither),
		cmocka_unit_test(own_fields_are_never_taken_from_the_request),
		cmocka_unit_test(lines_up_to_the_limit_and_one_more),
		cmocka_unit_test(what_fits_can_be_built),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
