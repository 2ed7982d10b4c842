/* Keys of later steps: accepted with their default value, refused with any other.  Master. */
#include <string.h>

#include "conf_build.h"

/* A key that does nothing yet may be there with its default value, and with no other. */
static bool has_default_value(const struct conf_key *k, const void *field)
{
	union { char *text; struct conf_list list; uint64_t number; int word; } fallback;
	struct err ignored;
	char given[2048], wanted[2048];

	memset(&fallback, 0, sizeof(fallback));
	bool same = conf_value_parse(k, sv_str(k->fallback), false, &fallback, &ignored) == 0
	            && conf_value_format(k, &fallback, wanted, sizeof(wanted))
	            && conf_value_format(k, field, given, sizeof(given)) && strcmp(given, wanted) == 0;
	conf_value_free(k, &fallback);
	return same;
}

/* A line that is wrong in another way says enough. */
static bool has_mistake(const struct conf_build *b, int line)
{
	for (unsigned i = 0; i < b->mistakes; i++)
		if (b->mistake[i].line == line)
			return true;
	return false;
}

/* A key of a later step that was given another value than its default. */
static void refuse_unbuilt(struct conf_build *b, enum conf_section s, unsigned i)
{
	const int *line = conf_origin(b->c->origins, s, i);

	for (size_t k = 0; k < CONF_KEYS; k++) {
		const struct conf_key *key = &conf_keys[k];
		if (key->section != s || key->when != CONF_WHEN_LATER || !line[k] || has_mistake(b, line[k])
		    || has_default_value(key, conf_field(key, conf_instance(b->c, s, i))))
			continue;
		build_mistake(b, line[k], "%s is not built yet: only its default (%s) is accepted", key->name,
		              key->fallback[0] ? key->fallback : "empty");
	}
}

void conf_refuse_unbuilt(struct conf_build *b, unsigned configured)
{
	for (enum conf_section s = CONF_MASTER; s < CONF_PROXY; s++)
		refuse_unbuilt(b, s, 0);
	for (unsigned i = 0; i < configured; i++)
		refuse_unbuilt(b, CONF_PROXY, i);
	for (unsigned i = 0; i < b->c->registries; i++)
		refuse_unbuilt(b, CONF_REGISTRY, i);
}
