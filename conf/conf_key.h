/* The table of keys as data, and values as text: what parser, check and dump share.  Master. */
#ifndef CONF_KEY_H
#define CONF_KEY_H

#include "conf.h"

enum conf_section {
	CONF_MASTER,
	CONF_LISTEN,
	CONF_ADMIN,
	CONF_LOG,
	CONF_PROXY,
	CONF_REGISTRY,
	CONF_SECTIONS,
	/* spellings for the table's rows */
	CONF_SECTION_master = CONF_MASTER,
	CONF_SECTION_listen = CONF_LISTEN,
	CONF_SECTION_admin = CONF_ADMIN,
	CONF_SECTION_log = CONF_LOG,
	CONF_SECTION_proxy = CONF_PROXY,
	CONF_SECTION_registry = CONF_REGISTRY
};

enum conf_kind {
	KIND_TEXT, KIND_PATH, KIND_LIST, KIND_ADDRESSES, /* own memory: conf_value_free */
	KIND_WORKERS, KIND_COUNT, KIND_MODE, KIND_SIZE, KIND_DURATION, KIND_FLAG, KIND_HOSTPORT, KIND_EXPOSE, KIND_PROXY,
	KIND_SANDBOX, KIND_LEVEL, KIND_FORMAT, KIND_PROTOCOL, KIND_FORM, KIND_AUTH, KIND_SCHEME, KIND_PROTO
};

enum conf_when { CONF_WHEN_BUILT, CONF_WHEN_START };

struct conf_key {
	enum conf_section section;
	const char *name;
	enum conf_kind kind;
	size_t offset; /* of the field in the section's struct */
	const char *fallback;
	uint64_t min, max;
	enum conf_when when;
};

enum conf_key_index {
#define K(section, key, field, kind, fallback, min, max, built) CONF_KEY_##section##_##key,
#include "conf_keys.def"
#undef K
	CONF_KEYS
};

extern const struct conf_key conf_keys[CONF_KEYS];

const char *conf_section_name(enum conf_section s);
static inline bool conf_section_repeats(enum conf_section s)
{
	return s == CONF_PROXY || s == CONF_REGISTRY;
}
/* The section of that name, or CONF_SECTIONS. */
enum conf_section conf_section_find(struct strview name);
/* The row of that key, or NULL. */
const struct conf_key *conf_key_find(enum conf_section s, struct strview name);

/* Nearest name within an edit distance of 2, for "did you mean"; NULL when none is near. */
const char *conf_section_near(struct strview name);
const char *conf_key_near(enum conf_section s, struct strview name);

static inline void *conf_field(const struct conf_key *k, void *section)
{
	return (char *)section + k->offset;
}

static inline const void *conf_const_field(const struct conf_key *k, const void *section)
{
	return (const char *)section + k->offset;
}

/* Reads text into the field.  A list appends (again = true) or begins anew, and keeps the line of each item (0 = a default).
 * 0; -EINVAL with reterr (what is wrong with the value; neither file nor key are named); -ENOMEM.  On failure the field is as
 * before. */
MUST_CHECK int conf_value_parse(const struct conf_key *k, struct strview text, int line, bool again, void *field,
                                struct err *reterr);
/* Writes the value as text that parses to the same, a list with ", " between.  False when cap is too small. */
MUST_CHECK bool conf_value_format(const struct conf_key *k, const void *field, char *dst, size_t cap);
void conf_value_free(const struct conf_key *k, void *field);

/* min(4, CPUs this process may use by affinity and cgroup v2). */
unsigned conf_workers_auto(void);

/* Which line gave which value; 0 = the default.  Of a list it is the last one: the others are with its items. */
struct conf_origins {
	int master[CONF_KEYS], listen[CONF_KEYS], admin[CONF_KEYS], log[CONF_KEYS];
	int proxy[CONF_PROXIES][CONF_KEYS], registry[CONF_REGISTRIES][CONF_KEYS];
	int proxy_line[CONF_PROXIES], registry_line[CONF_REGISTRIES]; /* of the section's header */
};
/* The row of lines of instance i of section s. */
int *conf_origin(struct conf_origins *o, enum conf_section s, unsigned i);
/* The struct of instance i of section s. */
void *conf_instance(struct conf *c, enum conf_section s, unsigned i);

#endif
