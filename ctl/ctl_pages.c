/* The daemon's documents as pages for people; larger ones have a file of their own.  Regctl. */
#include "ctl_pages.h"

#include "config.h"
#include "ctl_json.h"
#include "ctl_table.h"

void ctl_page_workers(const json_t *workers, FILE *out)
{
	struct ctl_table t;
	char age[CTL_AGE_MAX];
	size_t i;
	json_t *w;

	ctl_table_init(&t, 6);
	ctl_table_put(&t, "SLOT");
	ctl_table_put(&t, "PID");
	ctl_table_put(&t, "GENERATION");
	ctl_table_put(&t, "STATE");
	ctl_table_put(&t, "SESSIONS");
	ctl_table_put(&t, "HEARTBEAT");
	json_array_foreach(json_object_get(workers, "workers"), i, w) {
		ctl_table_put(&t, "%.0f", ctl_json_number(w, "slot"));
		ctl_table_put(&t, "%.0f", ctl_json_number(w, "pid"));
		ctl_table_put(&t, "%.0f", ctl_json_number(w, "generation"));
		ctl_table_put(&t, "%s", ctl_json_text(w, "state"));
		ctl_table_put(&t, "%.0f", ctl_json_number(w, "sessions"));
		ctl_table_put(&t, "%s ago", ctl_json_age(ctl_json_number(w, "heartbeat_age_ms") / 1000, age));
	}
	ctl_table_print(&t, out);
}

void ctl_page_version(const json_t *version, FILE *out)
{
	fprintf(out, "regctl     %s\nregrelayd  %s\n", PACKAGE_VERSION, ctl_json_text(version, "version"));
}

/* How many there are. */
static size_t print_changes(const json_t *root, const char *verb, FILE *out)
{
	const json_t *changed = json_object_get(root, "changed"), *line;
	size_t i;

	json_array_foreach(changed, i, line)
		fprintf(out, "%s %s\n", verb, json_is_string(line) ? json_string_value(line) : "?");
	return json_array_size(changed);
}

void ctl_page_reload(const json_t *root, bool dry_run, FILE *out)
{
	const json_t *generation = json_object_get(root, "generation");

	if (print_changes(root, dry_run ? "would change" : "changed", out) == 0)
		fputs(dry_run ? "nothing would change\n" : "nothing changed\n", out);
	if (!dry_run)
		fprintf(out, "generation %lld serves\n", (long long)json_integer_value(generation));
}

void ctl_page_undrain(const json_t *root, FILE *out)
{
	(void)print_changes(root, "changed", out);
	fputs("serving\n", out);
}
