/* The counters as pages.  Regctl. */
#include <stdint.h>
#include <string.h>

#include "ctl_json.h"
#include "ctl_pages.h"
#include "ctl_table.h"

/* What the name has in front of its labels ends so. */
static bool family_ends(const char *name, const char *suffix)
{
	const size_t n = strcspn(name, "{"), m = strlen(suffix);

	return n >= m && memcmp(name + n - m, suffix, m) == 0;
}

static bool is_bucket(const char *name)
{
	return family_ends(name, "_bucket");
}

static bool is_counter(const char *name)
{
	return family_ends(name, "_total") || family_ends(name, "_sum") || family_ends(name, "_count") || is_bucket(name);
}

/* Everything but what says little: zeros and the buckets of histograms. */
static void print_values(const json_t *stats, bool all, FILE *out)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)stats, name, value) {
		if (!all && (json_number_value(value) == 0 || is_bucket(name)))
			continue;
		if (json_is_integer(value))
			fprintf(out, "%s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
		else
			fprintf(out, "%s %.15g\n", name, json_number_value(value));
	}
}

/* Counters that moved, with their pace, and gauges that are not 0. */
static void print_rates(const json_t *stats, const json_t *before, double seconds, bool all, FILE *out)
{
	struct ctl_table t;
	const char *name;
	json_t *value;

	ctl_table_init(&t, 3);
	ctl_table_put(&t, "NAME");
	ctl_table_put(&t, "VALUE");
	ctl_table_put(&t, "PER SECOND");
	json_object_foreach((json_t *)(uintptr_t)stats, name, value) {
		const double moved = json_number_value(value) - ctl_json_number(before, name);
		const bool counter = is_counter(name);
		if (!all && (is_bucket(name) || (counter ? moved == 0 : json_number_value(value) == 0)))
			continue;
		ctl_table_put(&t, "%s", name);
		ctl_table_put(&t, "%.15g", json_number_value(value));
		if (counter && seconds > 0)
			ctl_table_put(&t, "%.1f", moved / seconds);
		else
			ctl_table_put(&t, "%s", "");
	}
	ctl_table_print(&t, out);
}

void ctl_page_stats(const json_t *now, const json_t *before, double seconds, const struct ctl_options *o, FILE *out)
{
	if (before)
		print_rates(now, before, seconds, o->all, out);
	else
		print_values(now, o->all, out);
}
