/* Log lines: escaping, cutting, the three forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "log_journal.h"
#include "log_text.h"

#define CAP LOG_LINE_MAX

typedef size_t render_fn(const struct log_record *rec, char *line, size_t cap);

static char line[CAP + 1];

static const char *render(render_fn *fn, const struct log_field *fields, size_t count, struct strview words, size_t cap)
{
	const struct log_record rec = {
		.level = LOG_LEVEL_WARNING, .wall_ms = 1767323045678, .process = "worker/2", .pid = 4711,
		.fields = fields, .count = count, .words = words,
	};

	memset(line, 'Z', sizeof(line));
	size_t n = fn(&rec, line, cap);
	assert_true(n > 0 && n <= cap);
	assert_int_equal(line[n - 1], '\n');
	line[n] = '\0';
	assert_int_equal(strlen(line), n);
	return line;
}

static void test_text(void **state)
{
	const struct log_field fields[] = {
		LF_INT("sess", 42), LF_STR("path", "/v2/"), LF_STR("empty", ""), LF_STR("odd", "a=\"b\" \x01\n\xff\\"),
		LF_INT("neg", INT64_MIN),
	};

	(void)state;
	assert_string_equal(render(log_text_render, fields, 5, SV("two\nlines \"as said\""), CAP),
	                    "2026-01-02T03:04:05.678Z warning worker/2[4711] sess=42 path=/v2/ empty=\"\" "
	                    "odd=\"a=\\x22b\\x22 \\x01\\x0a\\xff\\x5c\" neg=-9223372036854775808 "
	                    "two\\x0alines \"as said\"\n");
}

static json_t *parse(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

	if (!j)
		fail_msg("%s at %d in: %s", e.text, e.position, text);
	return j;
}

static void test_json_says_what_was_meant(void **state)
{
	const struct log_field fields[] = { LF_INT("sess", -1), LF_STR("path", "a\"\\\n\x7f\xc3\xa9") };

	(void)state;
	json_t *j = parse(render(log_json_render, fields, 2, SV("it \"went\"\twrong"), CAP));
	assert_string_equal(json_string_value(json_object_get(j, "time")), "2026-01-02T03:04:05.678Z");
	assert_string_equal(json_string_value(json_object_get(j, "level")), "warning");
	assert_string_equal(json_string_value(json_object_get(j, "process")), "worker/2");
	assert_int_equal(json_integer_value(json_object_get(j, "pid")), 4711);
	assert_int_equal(json_integer_value(json_object_get(j, "sess")), -1);
	/* Bytes are shown as the code points of the same number: one byte, one character. */
	assert_string_equal(json_string_value(json_object_get(j, "path")), "a\"\\\n\x7f\xc3\x83\xc2\xa9");
	assert_string_equal(json_string_value(json_object_get(j, "message")), "it \"went\"\twrong");
	json_decref(j);
}

/* Whatever its length and bytes, a JSON line stays JSON and a text line stays one line. */
static void test_cut_lines_stay_well_formed(void **state)
{
	static char bytes[2 * CAP];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 37);
	for (size_t cap = 256; cap <= CAP; cap += 97)
		for (size_t words = 0; words < CAP; words += 61) {
			const struct log_field fields[] = {
				LF_SV("a", sv_make(bytes, words / 7)), LF_INT("n", 5),
				LF_SV("b", sv_make(bytes + 3, words / 3)),
			};
			json_decref(parse(render(log_json_render, fields, 3, sv_make(bytes + 11, words), cap)));
			const char *text = render(log_text_render, fields, 3, sv_make(bytes + 11, words), cap);
			assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		}
}

static void test_journal(void **state)
{
	const struct log_field fields[] = { LF_INT("sess", 42), LF_STR("up.name", "a\nMESSAGE=forged") };

	(void)state;
	assert_string_equal(render(log_journal_render, fields, 2, SV("words\n"), CAP),
	                    "PRIORITY=4\nSYSLOG_IDENTIFIER=regrelay\nREGRELAY_PROCESS=worker/2\n"
	                    "REGRELAY_SESS=42\nREGRELAY_UP_NAME=a\\x0aMESSAGE=forged\nMESSAGE=words\\x0a\n");
}

/* A second is written out once, whatever comes between. */
static void test_time(void **state)
{
	static const struct { uint64_t ms; const char *text; } rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" }, { 999, "1970-01-01T00:00:00.999Z" }, { 1000, "1970-01-01T00:00:01.000Z" },
		{ 1767323045678, "2026-01-02T03:04:05.678Z" }, { 1767323045099, "2026-01-02T03:04:05.099Z" },
		{ 1767323046000, "2026-01-02T03:04:06.000Z" }, { 1, "1970-01-01T00:00:00.001Z" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[64] = "";
		struct log_out o = { .p = text, .cap = sizeof(text) - 1 };
		log_out_time(&o, rows[i].ms);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_events(void **state)
{
	const struct log_field fields[] = { LF_EVENT(DRAINED) };

	(void)state;
	assert_non_null(strstr(render(log_journal_render, fields, 1, SV("w"), CAP),
	                       "\nMESSAGE_ID=4d41ca0870e14c368088c3c2330090c8\nREGRELAY_EVENT=drained\n"));
	assert_non_null(strstr(render(log_json_render, fields, 1, SV("w"), CAP), ",\"event\":\"drained\","));
	assert_non_null(strstr(render(log_text_render, fields, 1, SV("w"), CAP), " event=drained "));
	for (int64_t a = 0; a < LOG_EVENTS; a++) {
		assert_int_equal(strspn(log_event_id(a), "0123456789abcdef"), 32);
		for (int64_t b = 0; b < a; b++)
			assert_string_not_equal(log_event_id(a), log_event_id(b));
	}
	assert_string_equal(log_event_id(LOG_EVENTS), "");
	assert_string_equal(log_event_name(-1), "");
}

/* A line without "=" would be taken for the beginning of a binary field. */
static void test_cut_journal_entries_stay_fields(void **state)
{
	static char bytes[2 * CAP];

	(void)state;
	memset(bytes, 'w', sizeof(bytes));
	for (size_t words = 0; words < 2 * CAP; words += 13) {
		const struct log_field fields[] = {
			LF_SV("a", sv_make(bytes, words)), LF_SV("quite.a.long.name.of.a.field", sv_make(bytes, words / 5)),
		};
		const char *text = render(log_journal_render, fields, 2, sv_make(bytes, words / 2), CAP);
		assert_non_null(strstr(text, "\nMESSAGE="));
		for (const char *at = text; *at; at = strchr(at, '\n') + 1)
			assert_int_equal(at[strcspn(at, "=\n")], '=');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json_says_what_was_meant),
		cmocka_unit_test(test_cut_lines_stay_well_formed),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_cut_journal_entries_stay_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
