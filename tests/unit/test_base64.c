/* Base64, strictly: the vectors of RFC 4648 10, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base64.h"

static void vectors(void **state)
{
	static const struct {
		const char *code, *text;
	} row[] = { { "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg==", "foob" },
		    { "Zm9vYmE=", "fooba" }, { "Zm9vYmFy", "foobar" }, { "+/+/", "\xfb\xff\xbf" } };
	char got[16], code[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		assert_int_equal(base64_encode(sv_str(row[i].text), code), strlen(row[i].code));
		assert_string_equal(code, row[i].code);
		assert_int_equal(base64_decode(sv_str(row[i].code), got, sizeof(got)), strlen(row[i].text));
		assert_memory_equal(got, row[i].text, strlen(row[i].text));
	}
}

static void what_is_none(void **state)
{
	static const char *const bad[] = { "Zg=", "Zg", "Z", "Zm9v\n", " Zm9v", "Zm9v ", "Zg==Zg==", "====", "Z===", "Zm-_",
		                           "Zm9\x80", "=m9v" };
	char got[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (base64_decode(sv_str(bad[i]), got, sizeof(got)) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(base64_decode(sv_make("Zm9\0", 4), got, sizeof(got)), -EINVAL);
	assert_int_equal(base64_decode(SV("Zm9vYmFy"), got, 5), -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(vectors), cmocka_unit_test(what_is_none) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
