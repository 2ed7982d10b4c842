/* What a walk found, and the document that tells of it.  Keeper. */
#include "doctor_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1024

static const char *const names[DOCTOR_STEPS] = {
#define S(step, name, deadline_ms, why) [DOCTOR_##step] = name,
#include "doctor_steps.def"
#undef S
};

static const char *const states[] = {
	[DOCTOR_OK] = "ok", [DOCTOR_BROKEN] = "broken", [DOCTOR_SKIPPED] = "skipped", [DOCTOR_UNKNOWN] = "unknown",
};

const char *doctor_step_name(enum doctor_step step)
{
	return names[step];
}

/* Bytes of strangers may not be UTF-8, which JSON wants. */
static json_t *text_of(const char *text)
{
	char clean[TEXT_MAX];
	size_t n = 0;

	for (; text[n] && n + 1 < sizeof(clean); n++)
		clean[n] = text[n] == '\n' || (text[n] >= 0x20 && text[n] < 0x7f) ? text[n] : '?';
	clean[n] = '\0';
	return json_string(clean);
}

void doctor_report_init(struct doctor_report *r)
{
	*r = (struct doctor_report){ .registries = json_array(), .warnings = json_array(), .snippets = json_array() };
}

void doctor_report_done(struct doctor_report *r)
{
	json_decref(r->registries);
	json_decref(r->warnings);
	json_decref(r->snippets);
	*r = (struct doctor_report){ .registries = NULL };
}

void doctor_report_visit(struct doctor_report *r, const struct conf_registry *g)
{
	char proxy[URL_AUTHORITY_MAX] = "";

	if (g)
		url_authority(&g->proxy->address, proxy);
	r->registry = g;
	r->was_broken = false;
	r->current = json_pack("{s:s?, s:s?, s:s?, s:n, s:[]}", "registry", g ? g->name : NULL, "host", g ? g->authority : NULL, "proxy",
	                       g ? proxy : NULL, "broken", "steps");
	r->steps = json_object_get(r->current, "steps");
	if (json_array_append_new(r->registries, r->current) < 0)
		r->current = r->steps = NULL;
}

static json_t *line_of(const struct doctor_report *r, const struct doctor_finding *f)
{
	const struct error_row *row = error_row(f->error);
	json_t *line = json_pack("{s:s?, s:s, s:s, s:o, s:o}", "registry", r->registry ? r->registry->name : NULL, "step", names[f->step],
	                         "state", states[f->state], "ms", f->ms == DOCTOR_NO_MS ? json_null() : json_integer((json_int_t)f->ms),
	                         "text", text_of(f->text));

	if (line && f->state == DOCTOR_BROKEN
	    && (json_object_set_new(line, "error", json_string(row->name)) < 0
	        || json_object_set_new(line, "cause", json_string(row->cause)) < 0
	        || json_object_set_new(line, "fix", json_string(row->fix)) < 0))
		json_decref(TAKE(line));
	return line;
}

json_t *doctor_report_add(struct doctor_report *r, const struct doctor_finding *f)
{
	json_t *line = line_of(r, f);

	if (f->state == DOCTOR_BROKEN && !r->was_broken) {
		r->broken = r->was_broken = true;
		(void)json_object_set_new(r->current, "broken", json_string(names[f->step]));
	}
	(void)json_array_append(r->steps, line);
	return line;
}

static bool has_text(const json_t *array, const json_t *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach(array, i, one)
		if (json_equal(one, text))
			return true;
	return false;
}

static void append_once(json_t *array, json_t *value)
{
	if (!value || has_text(array, value))
		json_decref(value);
	else
		(void)json_array_append_new(array, value);
}

__attribute__((format(printf, 1, 0))) static json_t *formatted(const char *fmt, va_list ap)
{
	char text[TEXT_MAX];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	return text_of(text);
}

void doctor_report_warn(struct doctor_report *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append_once(r->warnings, formatted(fmt, ap));
	va_end(ap);
}

void doctor_report_snippet(struct doctor_report *r, const char *about, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append_once(r->snippets, json_pack("{s:s, s:o}", "about", about, "text", formatted(fmt, ap)));
	va_end(ap);
}

json_t *doctor_report_result(struct doctor_report *r, const char *image)
{
	return json_pack("{s:s, s:i, s:o, s:O, s:O, s:O}", "result", r->broken ? "broken" : "ok", "exit", r->broken ? 1 : 0, "image",
	                 image[0] ? text_of(image) : json_null(), "registries", r->registries, "warnings", r->warnings, "snippets",
	                 r->snippets);
}
