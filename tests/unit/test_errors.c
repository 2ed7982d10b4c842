/* The error table and the rendering of its texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "errors.h"

static void test_placeholders(void **state)
{
	const struct error_context ctx = {
		.proxy = SV("cp:20003"), .vhost = SV("reg:5000"), .location = SV("PLANT7"),
		.path = SV("/v2/a"), .detail = SV("no such name"),
	};
	char text[ERROR_TEXT_MAX];

	(void)state;
	error_render(ERROR_PROXY_NAME, &ctx, text);
	assert_string_equal(text, "cannot resolve the connectivity proxy cp:20003: no such name");
	error_render(ERROR_TUNNEL_DOWN, &ctx, text);
	assert_string_equal(text, "no Cloud Connector is connected for location id PLANT7: start it or correct location_id");
	error_render(ERROR_TUNNEL_DOWN, &(struct error_context){ 0 }, text);
	assert_string_equal(text, "no Cloud Connector is connected: start it or correct location_id");
	error_render(ERROR_PATH_DENIED, &ctx, text);
	assert_non_null(strstr(text, "path /v2/a of reg:5000 "));
}

static void test_hostile_values(void **state)
{
	static char big[5000];
	char text[ERROR_TEXT_MAX];

	(void)state;
	memset(big, 'b', sizeof(big));
	error_render(ERROR_PROXY_NAME, &(struct error_context){ .detail = sv_make(big, sizeof(big)) }, text);
	assert_int_equal(strlen(text), ERROR_TEXT_MAX - 1);
	error_render(ERROR_NAME_INVALID, &(struct error_context){ .detail = SV("a\r\nSet-Cookie: x\x7f\xc3\xa9{proxy}") }, text);
	assert_non_null(strstr(text, "a??Set-Cookie: x???{proxy}")); /* a value is not looked into */
}

static void test_ids_from_elsewhere(void **state)
{
	char text[ERROR_TEXT_MAX];

	(void)state;
	assert_string_equal(error_row(ERROR_IDS)->name, "none");
	assert_string_equal(error_row(4000000000u)->name, "none");
	error_render(4000000000u, &(struct error_context){ 0 }, text);
	assert_string_equal(text, "no error");
}

static void test_every_row(void **state)
{
	static const char *const names[] = { "{proxy}", "{vhost}", "{location}", "{path}", "{detail}" };

	(void)state;
	for (unsigned id = 0; id < ERROR_IDS; id++) {
		const struct error_row *row = error_row(id);
		assert_true(row->name[strspn(row->name, "abcdefghijklmnopqrstuvwxyz-")] == '\0');
		assert_true(row->status == 200 || (row->status >= 400 && row->status < 600));
		assert_true(row->status != 429 && row->status != 401);
		assert_true(row->reason < REASON_COUNT);
		for (unsigned other = 0; other < id; other++)
			assert_string_not_equal(error_row(other)->name, row->name);
		for (const char *p = row->text; *p; p++)
			assert_true(*p >= 0x20 && *p < 0x7f);
		for (const char *at = row->text; (at = strchr(at, '{')); at++) {
			bool known = false;
			for (size_t i = 0; i < ARRAY_LEN(names); i++)
				known = known || strncmp(at, names[i], strlen(names[i])) == 0;
			assert_true(known);
		}
		assert_null(strchr(row->cause, '{')); /* shown as they are */
		assert_null(strchr(row->fix, '{'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_ids_from_elsewhere),
		cmocka_unit_test(test_every_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
