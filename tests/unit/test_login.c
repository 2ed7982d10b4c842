/* The relay's own credentials for a registry: the forms in which clusters and people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf_login.h"
#include "scratch.h"

static struct url_hostport registry = { .host = "reg.corp", .port = 5000 };

static void expect(const char *from, const char *value)
{
	struct conf_login *l = NULL;
	struct err e = { .text = "" };

	if (conf_login_read(from, &registry, &l, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(l->value, value);
	assert_int_equal(l->bearer, value[1] == 'e');
	conf_login_free(l);
}

static void refuse(const char *from, const char *says)
{
	struct conf_login *l = NULL;
	struct err e = { .text = "" };

	assert_true(conf_login_read(from, &registry, &l, &e) < 0);
	assert_null(l);
	if (!strstr(e.text, says))
		fail_msg("'%s' does not say '%s'", e.text, says);
	assert_null(strstr(e.text, "s3cret"));
}

static void test_words_of_the_key(void **state)
{
	(void)state;
	assert_true(conf_login_is_ok("pass"));
	assert_true(conf_login_is_ok("file:/x"));
	assert_false(conf_login_is_ok("file:"));
	assert_true(conf_login_is_ok("file:credential:reg"));
	assert_false(conf_login_is_ok("file:relative"));
	assert_false(conf_login_is_ok("file:credential:"));
	assert_false(conf_login_is_ok("file:credential:../x"));
	assert_false(conf_login_is_ok("Basic dTpw"));
	assert_false(conf_login_is_ok(""));
	assert_string_equal(conf_login_path("file:credential:reg"), "credential:reg");
	assert_null(conf_login_path("pass"));
}

static void test_directory_of_user_and_password(void **state)
{
	(void)state;
	refuse(scratch_dir, "username");
	(void)scratch("username", "u");
	refuse(scratch_dir, "password");
	(void)scratch("password", "s3cret:ä\n");
	expect(scratch_dir, "Basic dTpzM2NyZXQ6w6Q=");
	(void)scratch("username", "a:b\n");
	refuse(scratch_dir, "colon");
	(void)scratch("username", "a\tb");
	refuse(scratch_dir, "control");
}

static void test_lines(void **state)
{
	(void)state;
	expect(scratch("one", "Basic dTpw\n"), "Basic dTpw");
	expect(scratch("one", "basic   dTpw"), "Basic dTpw");
	expect(scratch("one", "Bearer abc.def-1_2~+/=="), "Bearer abc.def-1_2~+/==");
	refuse(scratch("one", "dTpw"), "neither");
	refuse(scratch("one", "Basic"), "no user");
	refuse(scratch("one", "Basic s3cret!"), "base64");
	refuse(scratch("one", "Basic dXA="), "no user");        /* "up" */
	refuse(scratch("one", "Basic OnA="), "no user");        /* ":p" */
	refuse(scratch("one", "Basic dQpzOnA="), "control");    /* "u\ns:p" */
	refuse(scratch("one", "Bearer s3cret and more"), "no token");
	refuse(scratch("one", "Bearer a\r\nX: s3cret"), "no token");
	refuse(scratch("one", "Digest s3cret"), "neither");
}

static void test_docker_config(void **state)
{
	(void)state;
	expect(scratch("c", "{\"auths\":{\"localhost:30085\":{\"auth\":\"dTpw\"}}}"), "Basic dTpw");
	expect(scratch("c", "{\"auths\":{\"x\":{\"auth\":\"eDp4\"},\"REG.corp:5000\":{\"auth\":\"dTpw\"},\"reg.corp\":{\"auth\":\"eDp4\"}}}"),
	       "Basic dTpw");
	expect(scratch("c", "{\"auths\":{\"x\":{\"auth\":\"eDp4\"},\"https://reg.corp:5000/v2/\":{\"username\":\"u\",\"password\":\"p\"}}}"),
	       "Basic dTpw");
	expect(scratch("c", "{\"auths\":{\"x\":{\"auth\":\"eDp4\"},\"reg.corp\":{\"auth\":\"dTpw\"}}}"), "Basic dTpw");
	refuse(scratch("c", "{\"auths\":{\"x\":{\"auth\":\"eDp4\"},\"reg.corp:5001\":{\"auth\":\"dTpw\"}}}"), "none for reg.corp:5000");
	refuse(scratch("c", "{\"auths\":{\"x\":{\"auth\":\"\",\"identitytoken\":\"s3cret\"}}}"), "identitytoken");
	refuse(scratch("c", "{\"auths\":{\"x\":{}}}"), "neither auth");
	refuse(scratch("c", "{\"auths\":{}}"), "auths");
	refuse(scratch("c", "{\"auths\":{\"x\":{\"auth\":\"s3cret\"}}}"), "base64");
	refuse(scratch("c", "{\"auths\":{\"x\":\n{\"auth\":\"s3cret}}}"), "c:2: not JSON");
	(void)scratch(".dockerconfigjson", "{\"auths\":{\"x\":{\"auth\":\"dTpw\"}}}");
	expect(scratch_dir, "Basic dTpw");
}

static void test_no_such_file(void **state)
{
	struct err e = { .text = "" };
	char long_pass[3000];
	struct conf_login *l;

	(void)state;
	refuse("/nonexistent/login", "/nonexistent/login");
	refuse(scratch("e", "\n"), "empty");
	memset(long_pass, 'p', sizeof(long_pass));
	long_pass[sizeof(long_pass) - 1] = '\0';
	(void)scratch("username", "u");
	(void)scratch("password", long_pass);
	assert_int_equal(conf_login_read(scratch_dir, &registry, &l, &e), -EINVAL);
	assert_non_null(strstr(e.text, "2048"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_the_key),
		cmocka_unit_test_setup_teardown(test_directory_of_user_and_password, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_lines, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_docker_config, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_such_file, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
