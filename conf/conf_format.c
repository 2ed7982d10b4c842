/* Values of the configuration as text, the way the parser reads them.  Master. */
#include <inttypes.h>
#include <stdio.h>

#include "conf_key.h"
#include "conf_words.h"

static int format_unit(uint64_t v, const struct conf_key *k, char *dst, size_t cap)
{
	static const struct { uint64_t size; const char *unit; } times[] = { { 60000, "min" }, { 1000, "s" }, { 1, "ms" } },
		sizes[] = { { 1u << 30, "G" }, { 1u << 20, "M" }, { 1u << 10, "K" }, { 1, "" } };
	bool time = k->kind == KIND_DURATION;
	unsigned i = 0;

	if (v == 0)
		return snprintf(dst, cap, "%s", time ? "0s" : "0");
	while (v % (time ? times[i].size : sizes[i].size))
		i++;
	return snprintf(dst, cap, "%" PRIu64 "%s", v / (time ? times[i].size : sizes[i].size),
	                time ? times[i].unit : sizes[i].unit);
}

static int format_joined(const struct conf_key *k, const void *field, char *dst, size_t cap)
{
	const struct conf_list *l = field;
	const struct conf_addresses *a = field;
	bool list = k->kind == KIND_LIST;
	unsigned count = list ? l->count : a->count;
	size_t n = 0;

	dst[0] = '\0';
	for (unsigned i = 0; i < count && n < cap; i++)
		n += (size_t)snprintf(dst + n, cap - n, "%s%s", i ? ", " : "", list ? l->items[i] : a->items[i].text);
	return (int)n;
}

static int format_expose(const bool *health, char *dst, size_t cap)
{
	const struct conf_admin *a =
		(const struct conf_admin *)(const void *)((const char *)health - offsetof(struct conf_admin, expose_health));

	return snprintf(dst, cap, "%s%s%s", a->expose_health ? "health" : "",
	                a->expose_health && a->expose_metrics ? ", " : "",
	                a->expose_metrics ? "metrics" : a->expose_health ? "" : "none");
}

static int format_hostport(const struct url_hostport *hp, char *dst, size_t cap)
{
	char text[URL_AUTHORITY_MAX];

	url_authority(hp, text);
	return snprintf(dst, cap, "%s", text);
}

static int format(const struct conf_key *k, const void *field, char *dst, size_t cap)
{
	switch (k->kind) {
	case KIND_TEXT:
	case KIND_PATH: return snprintf(dst, cap, "%s", *(char *const *)field ? *(char *const *)field : "");
	case KIND_LIST:
	case KIND_ADDRESSES: return format_joined(k, field, dst, cap);
	case KIND_WORKERS:
	case KIND_COUNT: return snprintf(dst, cap, "%u", *(const unsigned *)field);
	case KIND_MODE: return snprintf(dst, cap, "%04o", *(const unsigned *)field);
	case KIND_SIZE:
	case KIND_DURATION: return format_unit(*(const uint64_t *)field, k, dst, cap);
	case KIND_FLAG: return snprintf(dst, cap, "%s", *(const bool *)field ? "yes" : "no");
	case KIND_HOSTPORT: return format_hostport(field, dst, cap);
	case KIND_EXPOSE: return format_expose(field, dst, cap);
	case KIND_PROXY: {
		const struct conf_proxy *p = *(const struct conf_proxy *const *)field;
		return snprintf(dst, cap, "%s", !p ? "" : p->direct ? "none" : p->name);
	}
	default: return snprintf(dst, cap, "%s", conf_word_of(k, field));
	}
}

bool conf_value_format(const struct conf_key *k, const void *field, char *dst, size_t cap)
{
	int n = format(k, field, dst, cap);

	return n >= 0 && (size_t)n < cap;
}
