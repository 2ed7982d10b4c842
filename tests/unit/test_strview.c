/* Borrowed text, and the intrusive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "list.h"
#include "strview.h"

static void test_comparing(void **state)
{
	(void)state;
	assert_true(sv_eq(SV_NONE, SV("")));
	assert_false(sv_eq(SV("a"), SV("A")));
	assert_true(sv_eq_nocase(SV("Host"), SV("hOST")));
	assert_false(sv_eq_nocase(SV("Host"), SV("Hos")));
	assert_true(sv_starts(SV("/v2/x"), SV("/v2/")));
	assert_false(sv_starts(SV("/v2"), SV("/v2/")));
	assert_true(sv_starts(SV_NONE, SV("")));
	assert_true(sv_ends(SV("a_total"), SV("_total")));
	assert_false(sv_ends(SV("total"), SV("_total")));
	assert_true(sv_contains(sv_make("a\0b", 3), sv_make("\0b", 2)));
	assert_false(sv_contains(SV("ab"), SV("abc")));
	assert_true(sv_contains(SV_NONE, SV_NONE));
}

static void test_trim(void **state)
{
	(void)state;
	assert_true(sv_eq(sv_trim(SV(" \t a b\t ")), SV("a b")));
	assert_true(sv_eq(sv_trim(SV(" \t ")), SV("")));
	assert_true(sv_eq(sv_trim(SV_NONE), SV("")));
	assert_true(sv_eq(sv_trim(SV("\ra\n")), SV("\ra\n"))); /* only spaces and tabs are OWS */
}

static void test_cut(void **state)
{
	static const struct {
		const char *text;
		const char *parts[4];
		unsigned n;
	} rows[] = {
		{ "a,b", { "a", "b" }, 2 },   { "a,", { "a", "" }, 2 },          { ",a", { "", "a" }, 2 },
		{ "a", { "a" }, 1 },          { "", { "" }, 1 },                 { ",,", { "", "", "" }, 3 },
	};
	struct strview part, none = SV_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strview s = sv_str(rows[i].text);
		for (unsigned p = 0; p < rows[i].n; p++) {
			assert_true(sv_cut(&s, ',', &part));
			assert_true(sv_eq(part, sv_str(rows[i].parts[p])));
		}
		assert_false(sv_cut(&s, ',', &part));
	}
	assert_false(sv_cut(&none, ',', &part));
}

static void test_copy(void **state)
{
	char dst[4] = "xxx";

	(void)state;
	assert_true(sv_copy(dst, sizeof(dst), SV("abc")));
	assert_string_equal(dst, "abc");
	assert_false(sv_copy(dst, sizeof(dst), SV("abcd")));
	assert_string_equal(dst, "");
	assert_true(sv_copy(dst, sizeof(dst), SV_NONE));
	sv_copy_part(dst, sizeof(dst), SV("abcd"));
	assert_string_equal(dst, "abc");
	sv_copy_part(dst, sizeof(dst), SV("ab"));
	assert_string_equal(dst, "ab");
	sv_copy_part(dst, sizeof(dst), SV_NONE);
	assert_string_equal(dst, "");
}

struct item {
	int n;
	struct list node;
};

static int sum_in_order(const struct list *head)
{
	int sum = 0;

	list_for_each(it, head)
		sum = sum * 10 + list_entry(it, struct item, node)->n;
	return sum;
}

static void test_list(void **state)
{
	struct list head;
	struct item item[4] = { { .n = 1 }, { .n = 2 }, { .n = 3 }, { .n = 4 } };

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	assert_int_equal(sum_in_order(&head), 0);
	for (size_t i = 0; i < 3; i++)
		list_append(&head, &item[i].node);
	list_prepend(&head, &item[3].node);
	assert_int_equal(sum_in_order(&head), 4123);
	list_del(&item[1].node);
	list_del(&item[1].node); /* twice is once */
	assert_int_equal(sum_in_order(&head), 413);
	list_for_each_safe(it, &head)
		list_del(it);
	assert_true(list_empty(&head));
	assert_true(list_empty(&item[0].node));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comparing), cmocka_unit_test(test_trim), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_copy),      cmocka_unit_test(test_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
