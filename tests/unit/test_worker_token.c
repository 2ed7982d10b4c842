/* Challenges, token requests, links: what leads a client back to the relay, and what it may make the relay ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "challenge.h"
#include "realm.h"
#include "form.h"
#include "links.h"
#include "token.h"

static char name[] = "default", none[] = "", mirror[] = "mirror/a", authority[] = "reg.corp:5000";
static char token_authority[] = "auth.corp:8443", token_path_of[] = "/realms/x";
static struct conf_host server[] = { { .at = { .host = "auth.corp", .port = 8443 }, .path = token_path_of, .authority = token_authority } };
static struct conf_registry registry = {
	.name = name, .prefix = none, .ns = none, .match_host = none, .authority = authority,
	.host = { .host = "reg.corp", .port = 5000 }, .token_at = { server, 1 },
};
static struct conf_registry prefixed = {
	.name = name, .prefix = mirror, .ns = none, .match_host = none, .authority = authority,
	.host = { .host = "reg.corp", .port = 5000 },
};
static struct conf conf;

static int setup(void **state)
{
	(void)state;
	conf.registry[0] = &registry;
	conf.registries = 1;
	conf.default_registry = &registry;
	return 0;
}

/* --- challenges -------------------------------------------------------------------------------------------- */

static char text[16384];

static const char *rewritten(const char *value, const char *host)
{
	struct buf b = { .mem = (uint8_t *)text, .cap = sizeof(text) - 1 };
	const struct realm_at at = { &registry, false, sv_str(host) };

	assert_true(realm_put(&b, sv_str(value), &at));
	text[b.end] = '\0';
	return text;
}

/* The realm that an address of the relay stands for. */
static const char *realm_in(const char *value)
{
	static char realm[CHALLENGE_REALM_MAX + 1];
	static const char path[] = "\"http://localhost:30085" TOKEN_PATH "default/";
	const char *at = strstr(value, path);

	assert_non_null(at);
	at += sizeof(path) - 1;
	ssize_t n = base64url_decode(sv_make(at, strcspn(at, "\"")), realm, sizeof(realm) - 1);
	assert_true(n >= 0);
	realm[n] = '\0';
	return realm;
}

static void realms_lead_to_the_relay(void **state)
{
	static const struct {
		const char *value, *realm, *before, *after;
	} rows[] = {
		{ "Bearer realm=\"https://auth.corp/token\",service=\"reg\",scope=\"repository:a:pull\"",
		  "https://auth.corp/token", "Bearer realm=\"", "\",service=\"reg\",scope=\"repository:a:pull\"" },
		{ "bearer service=\"a, realm=\\\"b\" , REALM=https", "https", "bearer service=\"a, realm=\\\"b\" , REALM=\"", "\"" },
		{ "Basic realm=\"x\", Bearer realm=\"http://a/\\\"b\", error=e", "http://a/\"b", "Basic realm=\"x\", Bearer realm=\"",
		  "\", error=e" },
		{ "Bearer realm=\"/service/token\"", "/service/token", "Bearer realm=\"", "\"" },
		{ "Bearer realm = \"https://a\"", "https://a", "Bearer realm = \"", "\"" },
		{ "Bearer realm=\"\"", "", "Bearer realm=\"", "\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = rewritten(rows[i].value, "localhost:30085");
		assert_string_equal(realm_in(got), rows[i].realm);
		assert_int_equal(strncmp(got, rows[i].before, strlen(rows[i].before)), 0);
		assert_string_equal(got + strlen(got) - strlen(rows[i].after), rows[i].after);
	}
}

static void other_challenges_stay(void **state)
{
	static const char *const rows[] = {
		"Basic realm=\"https://auth.corp\"", "Negotiate", "Negotiate oYG2MIGzoAMKAQE==", "Digest realm=\"x\", nonce=\"y\"",
		"Bearer", "Bearer service=\"x\"", "Bearer realm=\"unfinished", "Bearer realm=", "=", "", "Bearer \x01",
		"Bearer realm=\"a\\",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(rewritten(rows[i], "localhost:30085"), rows[i]);
	assert_string_equal(rewritten("Bearer realm=\"https://a\"", ""), "Bearer realm=\"https://a\"");
}

static void an_endless_realm_leads_nowhere(void **state)
{
	static char value[70000];

	(void)state;
	(void)snprintf(value, sizeof(value), "Bearer realm=\"https://auth.corp/%068000d\",service=\"s\"", 0);
	const char *got = rewritten(value, "localhost:30085");
	assert_string_equal(realm_in(got), "");
	assert_non_null(strstr(got, "/\",service=\"s\""));
}

static void no_room_for_a_challenge(void **state)
{
	static const char value[] = "Basic realm=\"x\", Bearer realm=\"https://a\", scope=\"s\"";
	const struct realm_at at = { &registry, false, SV("h") };
	uint8_t mem[256];

	(void)state;
	for (size_t cap = 0; cap < 90; cap++) {
		struct buf b = { .mem = mem, .cap = cap };
		if (!realm_put(&b, sv_str(value), &at))
			assert_int_equal(buf_len(&b), 0);
	}
}

/* --- token requests ---------------------------------------------------------------------------------------- */

static bool routed(struct route *r, const char *realm, const char *query, char *ret_path)
{
	static char target[16384], encoded[8192];

	(void)base64url_encode(sv_str(realm), encoded);
	(void)snprintf(target, sizeof(target), TOKEN_PATH "default/%s%s%s", encoded, query ? "?" : "", query ? query : "");
	bool ok = route_find(&conf, sv_str(target), SV("localhost"), r);
	if (ok && ret_path) {
		size_t n = route_path(r, ret_path);
		assert_true(n <= ROUTE_PATH_MAX(strlen(target)));
		ret_path[n] = '\0';
	}
	return ok;
}

static void token_servers_that_are_known(void **state)
{
	static const struct {
		const char *realm, *query, *path;
		bool own;
	} rows[] = {
		{ "https://auth.corp:8443/realms/x", "service=s&scope=repository%3Aa%3Apull", "/realms/x?service=s&scope=repository%3Aa%3Apull", false },
		{ "http://auth.corp:8443/realms/x/token?client=a", "scope=b", "/realms/x/token?client=a&scope=b", false },
		{ "HTTPS://AUTH.corp:8443/realms/x?q", NULL, "/realms/x?q", false },
		{ "https://reg.corp:5000/service/token", "a=b", "/service/token?a=b", true },
		{ "/service/token", "a=b", "/service/token?a=b", true },
		{ "http://reg.corp:5000", NULL, "/", true },
		{ "https://reg.corp:5000/v2/token", NULL, "/v2/token", true },
	};
	char path[8192];
	struct route r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(routed(&r, rows[i].realm, rows[i].query, path));
		assert_string_equal(path, rows[i].path);
		assert_int_equal(r.kind, ROUTE_TOKEN);
		assert_ptr_equal(r.registry, &registry);
		assert_ptr_equal(r.at, rows[i].own ? NULL : &server[0]);
	}
}

static void realms_that_are_refused(void **state)
{
	static const struct {
		const char *realm;
		enum error_id id;
	} rows[] = {
		{ "https://10.0.0.1/token", ERROR_TOKEN_HOST },
		{ "https://169.254.169.254/latest/meta-data", ERROR_TOKEN_HOST },
		{ "https://auth.corp/realms/x", ERROR_TOKEN_HOST },          /* other port */
		{ "https://auth.corp:8443/other", ERROR_TOKEN_HOST },        /* other path */
		{ "https://auth.corp:8443/realms/xy", ERROR_TOKEN_HOST },
		{ "https://auth.corp.evil:8443/realms/x", ERROR_TOKEN_HOST },
		{ "https://reg.corp/service/token", ERROR_TOKEN_HOST },
		{ "https://auth.corp.:8443/realms/x", ERROR_TOKEN_REALM },   /* trailing dot */
		{ "https://auth.corp:8443@evil/realms/x", ERROR_TOKEN_REALM },
		{ "https://good@auth.corp:8443/realms/x", ERROR_TOKEN_REALM },
		{ "https://auth.corp:8443/realms/x\r\nX: y", ERROR_TOKEN_REALM },
		{ "https://auth.corp:8443/realms/x y", ERROR_TOKEN_REALM },
		{ "https://auth.corp:8443/realms/x#f", ERROR_TOKEN_REALM },
		{ "https://auth.corp:8443/realms/x/../../admin", ERROR_TOKEN_REALM },
		{ "https://auth.corp:8443/realms/x/%2e%2e/admin", ERROR_TOKEN_REALM },
		{ "https://auth.corp:8443//realms/x", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000/v2/", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000/v2", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000/v2/_catalog", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000/v2/x/blobs/uploads/", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000/v2/x/manifests/t", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000/%762/x/blobs/uploads/", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000/./v2/x/blobs/uploads/", ERROR_TOKEN_REALM },
		{ "https://reg.corp:5000//v2/x/blobs/uploads/", ERROR_TOKEN_REALM },
		{ "ftp://auth.corp:8443/realms/x", ERROR_TOKEN_REALM },
		{ "//auth.corp:8443/realms/x", ERROR_TOKEN_REALM },
		{ "/v2/x/blobs/uploads/", ERROR_TOKEN_REALM },
		{ "realm", ERROR_TOKEN_REALM },
		{ "", ERROR_TOKEN_REALM },
	};
	struct route r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_false(routed(&r, rows[i].realm, "scope=x", NULL));
		assert_int_equal(r.error, rows[i].id);
	}
}

static void paths_that_are_no_token_request(void **state)
{
	static const struct {
		const char *target;
		enum error_id id;
	} rows[] = {
		{ TOKEN_PATH, ERROR_NOT_FOUND },
		{ TOKEN_PATH "other/aHR0cHM6Ly9h", ERROR_NOT_FOUND },
		{ TOKEN_PATH "default", ERROR_TOKEN_REALM },
		{ TOKEN_PATH "default/", ERROR_TOKEN_REALM },
		{ TOKEN_PATH "default/!!!", ERROR_TOKEN_REALM },
		{ TOKEN_PATH "default/aHR0cHM6Ly9h=", ERROR_TOKEN_REALM },
		{ TOKEN_PATH "default/aHR0cHM6Ly9h/x", ERROR_TOKEN_REALM },
		{ TOKEN_PATH "default/aHR0cHM6Ly9h?a=%", ERROR_TOKEN_REQUEST },
		{ "/_regrelay/token", ERROR_NOT_FOUND },
		{ "/_regrelay/", ERROR_NOT_FOUND },
	};
	struct route r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_false(route_find(&conf, sv_str(rows[i].target), SV("localhost"), &r));
		assert_int_equal(r.error, rows[i].id);
	}
}

static void scopes_lose_the_prefix(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "scope=repository:mirror/a/team/app:pull", "scope=repository:team/app:pull" },
		{ "a=1&scope=repository%3Amirror%2Fa%2Fteam%2Fapp%3Apull%2Cpush&scope=x", "a=1&scope=repository%3Ateam%2Fapp%3Apull%2Cpush&scope=x" },
		{ "scope=repository:mirror/a/b:pull+repository%3amirror%2Fa%2fc:pull", "scope=repository:b:pull+repository%3ac:pull" },
		{ "scope=repository:b:pull%20repository:mirror/a/c:pull", "scope=repository:b:pull%20repository:c:pull" },
		{ "scope=repository:mirror/ab/c:pull", "scope=repository:mirror/ab/c:pull" },
		{ "scope=repository:x/mirror/a/b:pull", "scope=repository:x/mirror/a/b:pull" },
		{ "account=repository:mirror/a/b", "account=repository:mirror/a/b" },
		{ "scope=registry:catalog:*", "scope=registry:catalog:*" },
		{ "scope=", "scope=" },
		{ "scope", "scope" },
		{ "", "" },
		{ "&&a=b&", "&&a=b&" },
		{ "scope=repository:mirror/a/", "scope=repository:" },
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = token_scopes(&prefixed, sv_str(rows[i].in), out);
		assert_true(n <= strlen(rows[i].in));
		out[n] = '\0';
		assert_string_equal(out, rows[i].out);
		n = token_scopes(&registry, sv_str(rows[i].in), out);
		assert_true(sv_eq(sv_make(out, n), sv_str(rows[i].in)));
		memcpy(out, rows[i].in, strlen(rows[i].in)); /* in place */
		n = token_scopes(&prefixed, sv_make(out, strlen(rows[i].in)), out);
		assert_true(sv_eq(sv_make(out, n), sv_str(rows[i].out)));
	}
}

/* --- forms -------------------------------------------------------------------------------------------------- */

static void forms(void **state)
{
	static const struct {
		const char *type, *form;
		bool good;
	} rows[] = {
		{ "application/x-www-form-urlencoded", "grant_type=password&username=a&password=%21", true },
		{ "application/x-www-form-urlencoded; charset=utf-8", "a=b&grant_type=refresh_token", true },
		{ "application/x-www-form-urlencoded", "a=b", false },
		{ "application/x-www-form-urlencoded", "grant_type=", false },
		{ "application/x-www-form-urlencoded", "xgrant_type=a", false },
		{ "application/x-www-form-urlencoded", "grant_type=a\n", false },
		{ "application/x-www-form-urlencoded", "grant_type=%zz", false },
		{ "application/x-www-form-urlencoded", "", false },
		{ "application/json", "grant_type=password", false },
		{ "", "grant_type=password", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(token_form_wrong(sv_str(rows[i].type), sv_str(rows[i].form)) == NULL, rows[i].good);
}

static void forms_come_in_pieces(void **state)
{
	static const char chunks[] = "4\r\nabcd\r\n3;x=y\r\nefg\r\n0\r\n\r\nGET / HTTP/1.1";
	struct http_head h = { .framing = HTTP_BODY_CHUNKED };
	struct form f;

	(void)state;
	for (size_t step = 1; step < sizeof(chunks); step++) {
		int r = FORM_MORE;
		assert_int_equal(form_begin(&f, &h), 0);
		for (size_t at = 0; at < sizeof(chunks) - 1 && r == FORM_MORE; at += step)
			r = form_feed(&f, sv_make(chunks + at, step < sizeof(chunks) - 1 - at ? step : sizeof(chunks) - 1 - at));
		assert_int_equal(r, FORM_WHOLE);
		assert_true(sv_eq(form_view(&f), SV("abcdefg")));
		form_done(&f);
	}
	h = (struct http_head){ .framing = HTTP_BODY_LENGTH, .content_length = 3, .has_length = true };
	assert_int_equal(form_begin(&f, &h), 0);
	assert_int_equal(form_feed(&f, SV("a")), FORM_MORE);
	assert_int_equal(form_feed(&f, SV("bcd")), FORM_WHOLE);
	assert_true(sv_eq(form_view(&f), SV("abc")));
	form_done(&f);
}

static void forms_have_a_limit(void **state)
{
	static char piece[4096];
	struct http_head h = { .framing = HTTP_BODY_LENGTH, .content_length = TOKEN_FORM_MAX + 1, .has_length = true };
	struct form f;
	size_t fed = 0;
	int r = FORM_MORE;

	(void)state;
	assert_int_equal(form_begin(&f, &h), -EMSGSIZE);
	h = (struct http_head){ .framing = HTTP_BODY_CHUNKED };
	assert_int_equal(form_begin(&f, &h), 0);
	memset(piece, 'a', sizeof(piece));
	assert_int_equal(form_feed(&f, SV("100000\r\n")), FORM_MORE);
	for (; r == FORM_MORE; fed += sizeof(piece))
		r = form_feed(&f, sv_make(piece, sizeof(piece)));
	assert_int_equal(r, -EMSGSIZE);
	assert_true(fed <= TOKEN_FORM_MAX + 2 * sizeof(piece));
	form_done(&f);
	assert_int_equal(form_begin(&f, &h), 0);
	assert_int_equal(form_feed(&f, SV("x\r\n")), -EBADMSG);
	form_done(&f);
}

/* --- links ------------------------------------------------------------------------------------------------- */

static void links(void **state)
{
	static const struct {
		const char *in, *out;
		bool prefix, ns;
	} rows[] = {
		{ "<https://reg.corp:5000/v2/a/tags/list?last=x&n=2>; rel=\"next\"", "</v2/a/tags/list?last=x&n=2>; rel=\"next\"", false, false },
		{ "</v2/a/tags/list?n=2>; rel=next", "</v2/mirror/a/a/tags/list?n=2>; rel=next", true, false },
		{ "</v2/a/tags/list?n=2>; rel=next", "</v2/a/tags/list?n=2&ns=four.io>; rel=next", false, true },
		{ "</v2/a/tags/list>; rel=next", "</v2/a/tags/list?ns=four.io>; rel=next", false, true },
		{ "<http://REG.corp:5000/v2/a>; rel=a, <https://other/v2/b>; rel=b", "</v2/a>; rel=a, <https://other/v2/b>; rel=b", false, false },
		{ "<//reg.corp/v2/a>", "<//reg.corp/v2/a>", true, false },
		{ "<unfinished", "<unfinished", false, false },
		{ "", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = { .mem = (uint8_t *)text, .cap = sizeof(text) };
		struct route r = { .registry = &prefixed, .prefixed = rows[i].prefix };
		if (rows[i].ns)
			(void)snprintf(r.ns, sizeof(r.ns), "four.io");
		assert_true(links_put_link(&b, sv_str(rows[i].in), &r));
		assert_true(sv_eq(buf_view(&b), sv_str(rows[i].out)) || rows[i].out[0] == '\0');
		for (size_t cap = 0; cap < strlen(rows[i].out); cap++) {
			struct buf small = { .mem = (uint8_t *)text, .cap = cap };
			assert_false(links_put_link(&small, sv_str(rows[i].in), &r));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(realms_lead_to_the_relay), cmocka_unit_test(other_challenges_stay),
		cmocka_unit_test(an_endless_realm_leads_nowhere), cmocka_unit_test(no_room_for_a_challenge),
		cmocka_unit_test(token_servers_that_are_known), cmocka_unit_test(realms_that_are_refused),
		cmocka_unit_test(paths_that_are_no_token_request), cmocka_unit_test(scopes_lose_the_prefix),
		cmocka_unit_test(forms), cmocka_unit_test(forms_come_in_pieces), cmocka_unit_test(forms_have_a_limit),
		cmocka_unit_test(links),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
