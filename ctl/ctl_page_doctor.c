/* What the doctor finds, as it finds it, and what to do about it.  Regctl. */
#include <string.h>

#include "ctl_json.h"
#include "ctl_pages.h"

#define STATE_WIDTH 8
#define STEP_WIDTH  10
#define MS_WIDTH    6

static void print_line(const char *state, const char *step, const char *ms, const char *text, FILE *out)
{
	fprintf(out, "  %-*s %-*s %*s  %s\n", STATE_WIDTH, state, STEP_WIDTH, step, MS_WIDTH, ms, text);
}

/* "12ms"; what cannot be told is left out. */
static const char *took(const json_t *ms, char *dst)
{
	dst[0] = '\0';
	return json_is_number(ms) ? ctl_json_age(json_number_value(ms) / 1000, dst) : dst;
}

void ctl_page_doctor_step(const json_t *step, FILE *out)
{
	static char visited[64];
	const char *registry = ctl_json_text(step, "registry"), *state = ctl_json_text(step, "state");
	const bool broken = strcmp(state, "broken") == 0;
	char ms[CTL_AGE_MAX];

	if (registry[0] && strcmp(registry, visited) != 0)
		fprintf(out, "registry %s\n", registry);
	(void)snprintf(visited, sizeof(visited), "%s", registry);
	print_line(broken ? "BROKEN" : strcmp(state, "skipped") == 0 ? "-" : strcmp(state, "unknown") == 0 ? "?" : state,
	           ctl_json_text(step, "step"), took(json_object_get(step, "ms"), ms), ctl_json_text(step, "text"), out);
	if (!broken)
		return;
	print_line("", "", "cause", ctl_json_text(step, "cause"), out);
	print_line("", "", "do", ctl_json_text(step, "fix"), out);
}

/* Lines of a snippet, each with an indent, to be told from what is around them. */
static void print_snippet(const char *text, FILE *out)
{
	while (*text) {
		const size_t n = strcspn(text, "\n");
		fprintf(out, "    %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void print_verdict(const json_t *result, FILE *out)
{
	const json_t *registries = json_object_get(result, "registries"), *r;
	bool broken = false;
	size_t i;

	json_array_foreach(registries, i, r) {
		const char *hop = ctl_json_text(r, "broken"), *name = ctl_json_text(r, "registry");
		if (hop[0])
			fprintf(out, "%sbroken: %s%s%s\n", broken ? "" : "\n", hop, name[0] ? " of registry " : "", name);
		broken |= hop[0] != '\0';
	}
	if (!broken)
		fputs("\nall hops are well\n", out);
}

void ctl_page_doctor(const json_t *result, FILE *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(result, "warnings"), i, one)
		fprintf(out, "\nwarning: %s\n", json_is_string(one) ? json_string_value(one) : "?");
	json_array_foreach(json_object_get(result, "snippets"), i, one) {
		fprintf(out, "\n%s:\n", ctl_json_text(one, "about"));
		print_snippet(ctl_json_text(one, "text"), out);
	}
	print_verdict(result, out);
}
