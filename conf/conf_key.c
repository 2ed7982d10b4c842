/* The table of keys as data: find a row, or the one that was meant.  Master. */
#include "conf_key.h"

#include <string.h>

const struct conf_key conf_keys[CONF_KEYS] = {
#define K(sec, key, field, kd, fall, lo, hi, done)                                                             \
	[CONF_KEY_##sec##_##key] = { .section = CONF_SECTION_##sec, .name = #key, .kind = KIND_##kd,           \
	                             .offset = offsetof(struct conf_##sec, field), .fallback = fall, .min = lo, \
	                             .max = hi, .when = CONF_WHEN_##done },
#include "conf_keys.def"
#undef K
};

static const char *const sections[CONF_SECTIONS] = {
	[CONF_MASTER] = "master", [CONF_LISTEN] = "listen", [CONF_ADMIN] = "admin",
	[CONF_LOG] = "log",       [CONF_PROXY] = "proxy",   [CONF_REGISTRY] = "registry",
};

const char *conf_section_name(enum conf_section s)
{
	return sections[s];
}

enum conf_section conf_section_find(struct strview name)
{
	unsigned s = 0;

	while (s < CONF_SECTIONS && !sv_eq(name, sv_str(sections[s])))
		s++;
	return (enum conf_section)s;
}

const struct conf_key *conf_key_find(enum conf_section s, struct strview name)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		if (conf_keys[i].section == s && sv_eq(name, sv_str(conf_keys[i].name)))
			return &conf_keys[i];
	return NULL;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance; names longer than 48 bytes are nobody's typing error. */
static unsigned distance(struct strview a, struct strview b)
{
	unsigned row[50];

	if (a.n > 48 || b.n > 48)
		return 99;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned up = row[j];
			row[j] = least(up + 1, row[j - 1] + 1, diagonal + (a.p[i - 1] != b.p[j - 1]));
			diagonal = up;
		}
	}
	return row[b.n];
}

struct nearest {
	const char *name;
	unsigned distance;
};

static void nearest_try(struct nearest *best, struct strview typed, const char *name)
{
	unsigned d = distance(typed, sv_str(name));

	if (d < best->distance && d < strlen(name))
		*best = (struct nearest){ name, d };
}

const char *conf_section_near(struct strview name)
{
	struct nearest best = { NULL, 3 };

	for (unsigned s = 0; s < CONF_SECTIONS; s++)
		nearest_try(&best, name, sections[s]);
	return best.name;
}

const char *conf_key_near(enum conf_section s, struct strview name)
{
	struct nearest best = { NULL, 3 };

	for (size_t i = 0; i < CONF_KEYS; i++)
		if (conf_keys[i].section == s)
			nearest_try(&best, name, conf_keys[i].name);
	return best.name;
}

int *conf_origin(struct conf_origins *o, enum conf_section s, unsigned i)
{
	switch (s) {
	case CONF_MASTER: return o->master;
	case CONF_LISTEN: return o->listen;
	case CONF_ADMIN: return o->admin;
	case CONF_LOG: return o->log;
	case CONF_PROXY: return o->proxy[i];
	default: return o->registry[i];
	}
}

void *conf_instance(struct conf *c, enum conf_section s, unsigned i)
{
	switch (s) {
	case CONF_MASTER: return &c->master;
	case CONF_LISTEN: return &c->listen;
	case CONF_ADMIN: return &c->admin;
	case CONF_LOG: return &c->log;
	case CONF_PROXY: return c->proxy[i];
	default: return c->registry[i];
	}
}
