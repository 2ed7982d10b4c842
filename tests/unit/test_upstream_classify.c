/* Whose error is it: every text of the connectivity proxy and the Cloud Connector, and what registries
 * say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "classify.h"

static struct http_head head_of(unsigned status, const char *type)
{
	struct http_head h = { .minor = 1, .status = status, .reason = SV("Some Reason") };

	if (type)
		http_head_add(&h, SV("content-type"), sv_str(type));
	return h;
}

static const struct {
	unsigned status;
	const char *type, *text;
	enum error_id id;
	bool retry, bound;
} path_errors[] = {
	{ 400, "text/plain",
	  "One of the headers [SAP-Connectivity-ConsumerAccount, SAP-Connectivity-SCC-Location_ID] was set with a different"
	  " value compared to the value which was already used for this connection. Original tunnel ID: account:///a/b",
	  ERROR_PATH_SHARES, true, true },
	{ 403, "text/plain",
	  "Access denied to system reg.corp:5000. In case this was a valid request, ensure to expose the system correctly"
	  " in your cloud connector.",
	  ERROR_MAPPING_MISSING, false, true },
	{ 403, "text/html",
	  "<html>Access denied to resource /v2/ on system reg.corp:5000. In case this was a valid request, ensure to expose"
	  " the resource correctly in your cloud connector.</html>",
	  ERROR_PATH_DENIED, false, true },
	{ 405, NULL, "HTTPS proxying is not supported", ERROR_PROXY_REFUSED, false, false },
	{ 407, "text/plain", "Missing or empty header: proxy-authorization", ERROR_PROXY_TOKEN, false, false },
	{ 407, "application/json", "{\"errors\":[]}", ERROR_PROXY_TOKEN, false, false },
	{ 407, NULL, "", ERROR_PROXY_TOKEN, false, false },
	{ 502, "text/plain", "Unable to open connection to backend system reg.corp:5000", ERROR_BACKEND_UNREACHABLE, true,
	  false },
	{ 503, "text/plain",
	  "There is no SAP Cloud Connector (SCC) connected to your subaccount matching the requested tunnel for subaccount"
	  " '1-2-3' and SCC location ID 'PLANT7'",
	  ERROR_TUNNEL_DOWN, true, false },
	{ 503, NULL, "No tunnels subscribed for tunnelId account:///x", ERROR_TUNNEL_DOWN, true, false },
	{ 503, "text/plain", "Timed out waiting for tunnel to open", ERROR_TUNNEL_TIMEOUT, true, false },
	{ 504, "text/plain", "Timed out waiting for tunnel to open", ERROR_TUNNEL_TIMEOUT, true, false },
	{ 500, "text/plain", "Timed out waiting for tunnel to open", ERROR_TUNNEL_TIMEOUT, true, false },
	{ 502, "text/html", "<html>Bad Gateway</html>", ERROR_UPSTREAM_ERROR, true, false },
	{ 503, "text/plain", "upstream connect error", ERROR_UPSTREAM_ERROR, true, false },
	{ 504, NULL, "", ERROR_UPSTREAM_ERROR, true, false },
	{ 503, "application/json", "not what it says", ERROR_UPSTREAM_ERROR, true, false },
	{ 404, "text/html", "<html>nothing</html>", ERROR_NOT_A_REGISTRY, false, false },
	{ 404, NULL, "", ERROR_NOT_A_REGISTRY, false, false },
	{ 404, "application/jsonp", "{}", ERROR_NOT_A_REGISTRY, false, false },
};

static void errors_of_the_path_are_known_by_their_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(path_errors); i++) {
		struct http_head h = head_of(path_errors[i].status, path_errors[i].type);
		struct verdict v = classify_text(&h, ROUTE_MANIFEST, sv_str(path_errors[i].text));
		assert_int_not_equal(classify_head(&h, ROUTE_MANIFEST), CLASSIFY_PASS);
		assert_string_equal(error_row(v.id)->name, error_row(path_errors[i].id)->name);
		assert_int_equal(v.retry, path_errors[i].retry);
		assert_int_equal(v.bound, path_errors[i].bound);
	}
}

static const struct {
	unsigned status;
	const char *type, *text;
} registry_answers[] = {
	{ 400, "application/json", "{\"errors\":[{\"code\":\"NAME_INVALID\"}]}" },
	{ 401, "application/json", "{\"errors\":[{\"code\":\"UNAUTHORIZED\"}]}" },
	{ 401, "text/html", "<html>log in</html>" },
	{ 403, "application/json; charset=utf-8", "{\"errors\":[{\"code\":\"DENIED\"}]}" },
	{ 403, "text/html", "<html>Forbidden by the registry's web server</html>" },
	{ 404, "Application/JSON;charset=utf-8", "\r\n {\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}" },
	{ 405, "text/plain", "Method Not Allowed" },
	{ 429, "text/plain", "slow down" },
	{ 500, "text/plain", "Internal Server Error" },
	{ 500, NULL, "" },
	{ 503, "application/json", "{\"errors\":[{\"code\":\"UNAVAILABLE\"}]}" },
};

static void answers_of_the_registry_stay_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(registry_answers); i++) {
		struct http_head h = head_of(registry_answers[i].status, registry_answers[i].type);
		struct verdict v = classify_text(&h, ROUTE_MANIFEST, sv_str(registry_answers[i].text));
		assert_string_equal(error_row(v.id)->name, "none");
	}
}

static void what_is_not_suspect_is_not_looked_into(void **state)
{
	static const unsigned status[] = { 200, 204, 206, 301, 302, 304, 307, 401, 416, 429 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(status); i++) {
		struct http_head h = head_of(status[i], "text/plain");
		assert_int_equal(classify_head(&h, ROUTE_BLOB), CLASSIFY_PASS);
	}
}

static void json_is_believed_after_its_first_byte(void **state)
{
	struct http_head json = head_of(403, "application/json"), text = head_of(403, "text/plain");

	(void)state;
	assert_int_equal(classify_head(&json, ROUTE_BLOB), CLASSIFY_JSON);
	assert_int_equal(classify_head(&text, ROUTE_BLOB), CLASSIFY_BODY);
	assert_true(classify_is_json(&json, SV(" \n{")));
	assert_false(classify_is_json(&json, SV("[")));
	assert_false(classify_is_json(&json, SV("")));
	assert_false(classify_is_json(&text, SV("{")));
}

static void a_404_about_referrers_always_passes(void **state)
{
	struct http_head h = head_of(404, "text/plain");

	(void)state;
	assert_int_equal(classify_head(&h, ROUTE_REFERRERS), CLASSIFY_PASS);
	assert_int_equal(classify_text(&h, ROUTE_REFERRERS, SV("404 page not found")).id, ERROR_NONE);
}

static void detail_names_the_answer_in_few_words(void **state)
{
	struct http_head h = head_of(503, "text/plain");
	char detail[CLASSIFY_DETAIL];

	(void)state;
	classify_detail(&h, SV("no healthy upstream\r\nmore"), detail);
	assert_string_equal(detail, "503 Some Reason: no healthy upstream");
	classify_detail(&h, SV("<html>"), detail);
	assert_string_equal(detail, "503 Some Reason");
	h.reason = SV_NONE;
	classify_detail(&h, SV(""), detail);
	assert_string_equal(detail, "503");
	h.reason = SV("A reason phrase that goes on for very much longer than it has any need to");
	classify_detail(&h, SV("words that go on for very much longer than anybody has any need to read them"), detail);
	assert_true(strlen(detail) < CLASSIFY_DETAIL);
}

/* In a tunnel nobody but the server can have said it. */
static void a_servers_words_are_not_the_proxys(void **state)
{
	static const enum error_id words[] = { ERROR_PROXY_TOKEN, ERROR_TUNNEL_DOWN, ERROR_MAPPING_MISSING, ERROR_PATH_SHARES };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const struct verdict v = classify_from_server((struct verdict){ .id = words[i], .retry = true, .bound = true });
		assert_int_equal(v.id, ERROR_UPSTREAM_ERROR);
		assert_true(v.retry && !v.bound);
	}
	assert_int_equal(classify_from_server((struct verdict){ .id = ERROR_NONE }).id, ERROR_NONE);
	assert_int_equal(classify_from_server((struct verdict){ .id = ERROR_NOT_A_REGISTRY }).id, ERROR_NOT_A_REGISTRY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_of_the_path_are_known_by_their_texts),
		cmocka_unit_test(answers_of_the_registry_stay_its_own),
		cmocka_unit_test(what_is_not_suspect_is_not_looked_into),
		cmocka_unit_test(json_is_believed_after_its_first_byte),
		cmocka_unit_test(a_404_about_referrers_always_passes),
		cmocka_unit_test(a_servers_words_are_not_the_proxys),
		cmocka_unit_test(detail_names_the_answer_in_few_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
