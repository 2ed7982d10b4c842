/* Unit test: what a generation is given of the one before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "inherit.h"
#include "tokens.h"

#define OLD 1u
#define NEW 2u

static struct shm *shm;
static struct conf_proxy first, second;
static struct conf was, is;

static struct conf_proxy proxy(const char *name, const char *credentials)
{
	return (struct conf_proxy){ .name = (char *)(uintptr_t)name, .credentials = (char *)(uintptr_t)credentials,
		                    .token_file = (char *)(uintptr_t)"", .token_resource = (char *)(uintptr_t)"" };
}

static int setup(void **state)
{
	struct err why;

	(void)state;
	shm = shm_open_anonymous(&why);
	first = proxy("default", "/binding");
	second = proxy("other", "/another");
	was = (struct conf){ .names = { "a.corp", "b.corp" }, .names_count = 2, .proxy = { &first }, .proxies = 1 };
	is = (struct conf){ .names = { "new.corp", "b.corp" }, .names_count = 2, .proxy = { &second, &first }, .proxies = 2 };
	return shm ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	shm_close(shm);
	return 0;
}

static void be_born(void)
{
	inherit(shm, (struct estate){ &is, NEW }, (struct estate){ &was, OLD }, 1000);
}

static void addresses_go_by_the_name(void **state)
{
	const struct names_address a = { .family = 4, .bytes = { 10, 0, 0, 1 } }, b = { .family = 4, .bytes = { 10, 0, 0, 2 } };
	struct names_entry e;

	(void)state;
	names_publish(&shm->names[OLD][0], NAMES_GOOD, &a, 1, "", 5);
	names_publish(&shm->names[OLD][1], NAMES_GOOD, &b, 1, "no answer lately", 6);
	names_publish(&shm->names[NEW][0], NAMES_GOOD, &a, 1, "", 7); /* of somebody long gone */
	be_born();
	assert_int_equal(names_read(&shm->names[NEW][0], &e), 0);
	assert_int_equal(e.state, NAMES_PENDING);
	assert_int_equal(names_read(&shm->names[NEW][1], &e), 0);
	assert_int_equal(e.state, NAMES_GOOD);
	assert_int_equal(e.count, 1);
	assert_memory_equal(e.address[0].bytes, b.bytes, 4);
	assert_string_equal(e.error, "");
}

static void what_failed_is_not_handed_on(void **state)
{
	struct names_entry e;

	(void)state;
	names_publish(&shm->names[OLD][1], NAMES_FAILED, NULL, 0, "no such name", 6);
	be_born();
	assert_int_equal(names_read(&shm->names[NEW][1], &e), 0);
	assert_int_equal(e.state, NAMES_PENDING);
}

static struct token token_of(unsigned position)
{
	struct token t;

	assert_int_equal(token_read(&shm->token[NEW][position], &t), 0);
	return t;
}

static void a_token_goes_to_the_proxy_of_that_name(void **state)
{
	const struct token t = { .state = TOKEN_GOOD, .serial = 3, .until_ms = 1001, .n = 2, .bytes = "xy" };

	(void)state;
	token_publish(&shm->token[OLD][0], &t);
	be_born();
	assert_int_equal(token_of(0).state, TOKEN_PENDING);
	assert_int_equal(token_of(1).state, TOKEN_GOOD);
	assert_int_equal(token_of(1).serial, 3);
	assert_memory_equal(token_of(1).bytes, "xy", 2);
}

static void no_other_token_is_handed_on(void **state)
{
	struct token t = { .state = TOKEN_GOOD, .serial = 3, .until_ms = 1000, .n = 2, .bytes = "xy" };

	(void)state;
	token_publish(&shm->token[OLD][0], &t); /* has just expired */
	be_born();
	assert_int_equal(token_of(1).state, TOKEN_PENDING);
	t.until_ms = TOKEN_NEVER;
	token_publish(&shm->token[OLD][0], &t);
	atomic_store(&shm->token[OLD][0].refused, 3);
	be_born();
	assert_int_equal(token_of(1).state, TOKEN_PENDING);
	atomic_store(&shm->token[OLD][0].refused, 2);
	be_born();
	assert_int_equal(token_of(1).state, TOKEN_GOOD);
	struct conf_proxy moved = proxy("default", "/elsewhere");
	is.proxy[1] = &moved;
	be_born();
	assert_int_equal(token_of(1).state, TOKEN_PENDING);
}

static void the_first_one_inherits_nothing(void **state)
{
	const struct token t = { .state = TOKEN_GOOD, .serial = 3, .until_ms = TOKEN_NEVER, .n = 2, .bytes = "xy" };

	(void)state;
	token_publish(&shm->token[NEW][1], &t);
	inherit(shm, (struct estate){ &is, NEW }, (struct estate){ .conf = NULL }, 1000);
	assert_int_equal(token_of(1).state, TOKEN_PENDING);
	assert_int_equal(token_of(1).bytes[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(addresses_go_by_the_name, setup, teardown),
		cmocka_unit_test_setup_teardown(what_failed_is_not_handed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_goes_to_the_proxy_of_that_name, setup, teardown),
		cmocka_unit_test_setup_teardown(no_other_token_is_handed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_one_inherits_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
