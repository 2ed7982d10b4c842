/* The pulls under way as a table.  Regctl. */
#include <string.h>

#include "ctl_json.h"
#include "ctl_pages.h"
#include "ctl_table.h"

#define BAR_CELLS    10
#define DIGEST_SHOWN 12 /* hexadecimal digits, as other tools show an id */

static const json_t *find(const json_t *before, const json_t *pull)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(before, "pulls"), i, p)
		if (ctl_json_number(p, "pid") == ctl_json_number(pull, "pid")
		    && strcmp(ctl_json_text(p, "request_id"), ctl_json_text(pull, "request_id")) == 0)
			return p;
	return NULL;
}

/* Since the page before, or since its beginning. */
static double rate_of(const json_t *pull, const json_t *before, double seconds)
{
	const json_t *then = before ? find(before, pull) : NULL;
	const double bytes = ctl_json_number(pull, "bytes") - (then ? ctl_json_number(then, "bytes") : 0);

	if (!then || seconds <= 0 || bytes < 0)
		return ctl_json_number(pull, "rate_bytes_per_second");
	return bytes / seconds;
}

static void put_reference(struct ctl_table *t, const char *reference)
{
	const char *colon = strchr(reference, ':');

	if (colon)
		ctl_table_put(t, "%.*s", (int)(colon - reference) + 1 + DIGEST_SHOWN, reference);
	else
		ctl_table_put(t, "%s", reference);
}

/* "[####......]  1.2 GB of 2.9 GB"; of unknown length, or before the head, without a bar. */
static void put_bytes(struct ctl_table *t, const json_t *pull)
{
	const json_t *total = json_object_get(pull, "total");
	const double bytes = ctl_json_number(pull, "bytes"), all = json_number_value(total);
	char bar[BAR_CELLS + 1], have[CTL_BYTES_MAX], want[CTL_BYTES_MAX];
	int full = all > 0 ? (int)(bytes / all * BAR_CELLS) : 0;

	if (!json_is_number(total) || all <= 0) {
		ctl_table_put(t, "%s", ctl_json_bytes(bytes, have));
		return;
	}
	full = full < 0 ? 0 : full > BAR_CELLS ? BAR_CELLS : full;
	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', (size_t)full);
	bar[BAR_CELLS] = '\0';
	ctl_table_put(t, "[%s] %s of %s", bar, ctl_json_bytes(bytes, have), ctl_json_bytes(all, want));
}

static void put_pull(struct ctl_table *t, const json_t *pull, const json_t *before, double seconds)
{
	const char *user = ctl_json_text(pull, "user"), *repository = ctl_json_text(pull, "repository");
	char text[CTL_AGE_MAX > CTL_BYTES_MAX ? CTL_AGE_MAX : CTL_BYTES_MAX];

	ctl_table_put(t, "%s", ctl_json_text(pull, "client"));
	ctl_table_put(t, "%s", user[0] ? user : "-");
	ctl_table_put(t, "%s", repository[0] ? repository : "-");
	put_reference(t, ctl_json_text(pull, "reference"));
	put_bytes(t, pull);
	ctl_table_put(t, "%s/s", ctl_json_bytes(rate_of(pull, before, seconds), text));
	ctl_table_put(t, "%s", ctl_json_age(ctl_json_number(pull, "age_s"), text));
	ctl_table_put(t, "%.0f", ctl_json_number(pull, "slot"));
	ctl_table_put(t, "%s", ctl_json_text(pull, "waits_for"));
}

static void put_titles(struct ctl_table *t)
{
	static const char *const titles[] = { "CLIENT", "USER", "REPOSITORY", "REFERENCE", "BYTES",
		                              "RATE",   "AGE",  "WORKER",     "WAITS FOR" };

	ctl_table_init(t, sizeof(titles) / sizeof(titles[0]));
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		ctl_table_put(t, "%s", titles[i]);
}

void ctl_page_pulls(const json_t *now, const json_t *before, double seconds, const struct ctl_options *o, FILE *out)
{
	const json_t *pulls = json_object_get(now, "pulls"), *pull;
	const double unlisted = ctl_json_number(now, "unlisted");
	struct ctl_table t;
	size_t i;

	(void)o;
	if (json_array_size(pulls) == 0 && unlisted == 0) {
		fputs("no pull is running\n", out);
		return;
	}
	put_titles(&t);
	json_array_foreach(pulls, i, pull)
		put_pull(&t, pull, before, seconds);
	ctl_table_print(&t, out);
	if (unlisted > 0)
		fprintf(out, "and %.0f more\n", unlisted);
}
