/* Values of the configuration: text into a field and back, by kind.  Master. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf_key.h"
#include "conf_words.h"
#include "num.h"

#define ADDRESSES_MAX 16
#define LIST_MAX      256

static int not_in_range(const struct conf_key *k, struct strview text, struct err *reterr)
{
	struct conf_key unlimited = *k;
	char low[32], high[32];
	uint64_t wide[2] = { k->min, k->max };
	unsigned narrow[2] = { (unsigned)k->min, (unsigned)k->max };
	bool is_wide = k->kind == KIND_SIZE || k->kind == KIND_DURATION;

	if (k->kind == KIND_WORKERS)
		unlimited.kind = KIND_COUNT;
	if (!conf_value_format(&unlimited, is_wide ? (void *)&wide[0] : &narrow[0], low, sizeof(low))
	    || !conf_value_format(&unlimited, is_wide ? (void *)&wide[1] : &narrow[1], high, sizeof(high)))
		low[0] = high[0] = '\0';
	const char *what = k->kind == KIND_DURATION ? "a duration (like 5s, 2min)"
	                   : k->kind == KIND_SIZE   ? "a size (like 32K, 1M)"
	                   : k->kind == KIND_MODE   ? "an octal mode"
	                   : k->kind == KIND_WORKERS ? "'auto' or a number"
	                                            : "a number";
	return err_set(reterr, -EINVAL, "'" SV_FMT "' is not %s from %s to %s", SV_ARG(text), what, low, high);
}

static int parse_mode(struct strview text, uint64_t *ret)
{
	uint64_t mode = 0;

	if (text.n == 0 || text.n > 4)
		return -EINVAL;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7')
			return -EINVAL;
		mode = mode * 8 + (uint64_t)(text.p[i] - '0');
	}
	*ret = mode;
	return 0;
}

static int parse_number(const struct conf_key *k, struct strview text, void *field, struct err *reterr)
{
	uint64_t v = 0;
	int r = k->kind == KIND_DURATION ? num_duration(text, &v)
	        : k->kind == KIND_SIZE   ? num_size(text, &v)
	        : k->kind == KIND_MODE   ? parse_mode(text, &v)
	                                 : num_u64(text, UINT32_MAX, &v);

	if (r < 0 || v < k->min || v > k->max)
		return not_in_range(k, text, reterr);
	if (k->kind == KIND_DURATION || k->kind == KIND_SIZE)
		*(uint64_t *)field = v;
	else
		*(unsigned *)field = (unsigned)v;
	return 0;
}

static int parse_workers(const struct conf_key *k, struct strview text, void *field, struct err *reterr)
{
	if (!sv_eq(text, SV("auto")))
		return parse_number(k, text, field, reterr);
	*(unsigned *)field = conf_workers_auto();
	return 0;
}

static int parse_flag(struct strview text, bool *ret, struct err *reterr)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (sv_eq_nocase(text, sv_str(words[i]))) {
			*ret = i & 1;
			return 0;
		}
	return err_set(reterr, -EINVAL, "'" SV_FMT "' is neither yes nor no", SV_ARG(text));
}

/* Absolute, or credential:NAME (secret.h). */
static bool path_ok(const struct conf_key *k, struct strview text)
{
	const struct strview prefix = SV("credential:");

	if (k->section != CONF_MASTER && sv_starts(text, prefix))
		return text.n > prefix.n && !memchr(text.p, '/', text.n);
	return text.n == 0 || text.p[0] == '/';
}

static int parse_text(const struct conf_key *k, struct strview text, char **field, struct err *reterr)
{
	if (k->kind == KIND_PATH && !path_ok(k, text))
		return err_set(reterr, -EINVAL, "'" SV_FMT "' is not an absolute path", SV_ARG(text));
	char *copy = strndup(text.n ? text.p : "", text.n);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int parse_hostport(struct strview text, struct url_hostport *field, struct err *reterr)
{
	return text.n ? url_hostport_parse(text, field, reterr) : err_set(reterr, -EINVAL, "HOST:PORT is missing");
}

/* "health, metrics" in any order, or "none". */
static int parse_expose(struct strview text, bool *health, struct err *reterr)
{
	struct conf_admin want = { .expose_health = false };
	struct strview rest = text, part;
	bool *metrics = (bool *)((char *)health - offsetof(struct conf_admin, expose_health)
	                         + offsetof(struct conf_admin, expose_metrics));

	while (!sv_eq(text, SV("none")) && sv_cut(&rest, ',', &part)) {
		part = sv_trim(part);
		if (sv_eq(part, SV("health")))
			want.expose_health = true;
		else if (sv_eq(part, SV("metrics")))
			want.expose_metrics = true;
		else
			return err_set(reterr, -EINVAL, "'" SV_FMT "' is not one of health, metrics, none", SV_ARG(part));
	}
	*health = want.expose_health;
	*metrics = want.expose_metrics;
	return 0;
}

/* --- lists ---------------------------------------------------------------------------------------------------- */

static void list_free(struct conf_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
	free(l->lines);
	*l = (struct conf_list){ .count = 0 };
}

/* Room for one more item of `size` bytes.  0 or -ENOMEM. */
static int grow(void *items, unsigned count, size_t size)
{
	void **mem = items, *more = realloc(*mem, (count + 1) * size);

	if (!more)
		return -ENOMEM;
	*mem = more;
	return 0;
}

static int list_add(struct conf_list *l, struct strview part, int line, struct err *reterr)
{
	if (part.n == 0)
		return err_set(reterr, -EINVAL, "an empty item in the list");
	if (l->count == LIST_MAX)
		return err_set(reterr, -EINVAL, "more than %d items", LIST_MAX);
	char *copy = strndup(part.p, part.n);
	if (!copy || grow(&l->items, l->count, sizeof(*l->items)) < 0 || grow(&l->lines, l->count, sizeof(*l->lines)) < 0) {
		free(copy);
		return -ENOMEM;
	}
	l->items[l->count] = copy;
	l->lines[l->count++] = line;
	return 0;
}

/* The old items come first when the key is given again; on failure they stay as they were. */
static int parse_list(struct strview text, int line, bool again, struct conf_list *field, struct err *reterr)
{
	struct conf_list made = { .count = 0 };
	struct strview rest = text, part;
	int r = 0;

	for (unsigned i = 0; again && r == 0 && i < field->count; i++)
		r = list_add(&made, sv_str(field->items[i]), field->lines[i], reterr);
	while (r == 0 && rest.n && sv_cut(&rest, ',', &part))
		r = list_add(&made, sv_trim(part), line, reterr);
	if (r < 0) {
		list_free(&made);
		return r;
	}
	list_free(field);
	*field = made;
	return 0;
}

static int parse_address(struct strview text, struct conf_address *ret, struct err *reterr)
{
	struct conf_address a = { .len = 0 };
	struct url_hostport hp;
	bool dual = text.n > 2 && text.p[0] == '*' && text.p[1] == ':';
	char plain[sizeof(a.text) + 8];

	if (!sv_copy(a.text, sizeof(a.text), text))
		return err_set(reterr, -EINVAL, "'" SV_FMT "' is too long for an address", SV_ARG(text));
	(void)snprintf(plain, sizeof(plain), "%s%s", dual ? "[::]" : "", dual ? a.text + 1 : a.text);
	if (url_hostport_parse(sv_str(plain), &hp, reterr) < 0 || !hp.literal || !hp.port)
		return err_set(reterr, -EINVAL, "'" SV_FMT "' is not ADDRESS:PORT (like *:8080, 127.0.0.1:8080, [::1]:8080)",
		               SV_ARG(text));
	a.dual = dual;
	if (hp.v6) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a.sa;
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(hp.port);
		a.len = sizeof(*six);
		if (inet_pton(AF_INET6, hp.host, &six->sin6_addr) != 1)
			return -EINVAL;
	} else {
		struct sockaddr_in *four = (struct sockaddr_in *)&a.sa;
		four->sin_family = AF_INET;
		four->sin_port = htons(hp.port);
		a.len = sizeof(*four);
		if (inet_pton(AF_INET, hp.host, &four->sin_addr) != 1)
			return -EINVAL;
	}
	*ret = a;
	return 0;
}

static int addresses_add(struct conf_addresses *l, const struct conf_address *a, struct err *reterr)
{
	for (unsigned i = 0; i < l->count; i++)
		if (strcmp(l->items[i].text, a->text) == 0)
			return err_set(reterr, -EINVAL, "'%s' is given twice", a->text);
	if (l->count == ADDRESSES_MAX)
		return err_set(reterr, -EINVAL, "more than %d addresses", ADDRESSES_MAX);
	if (grow(&l->items, l->count, sizeof(*l->items)) < 0)
		return -ENOMEM;
	l->items[l->count++] = *a;
	return 0;
}

static int parse_addresses(struct strview text, int line, bool again, struct conf_addresses *field, struct err *reterr)
{
	struct conf_addresses made = { NULL, 0 };
	struct strview rest = text, part;
	struct conf_address a = { .len = 0 };
	int r = 0;

	for (unsigned i = 0; again && r == 0 && i < field->count; i++)
		r = addresses_add(&made, &field->items[i], reterr);
	while (r == 0 && rest.n && sv_cut(&rest, ',', &part)) {
		r = parse_address(sv_trim(part), &a, reterr);
		a.line = line;
		if (r == 0)
			r = addresses_add(&made, &a, reterr);
	}
	if (r < 0) {
		free(made.items);
		return r;
	}
	free(field->items);
	*field = made;
	return 0;
}

/* --- by kind --------------------------------------------------------------------------------------------------- */

int conf_value_parse(const struct conf_key *k, struct strview text, int line, bool again, void *field, struct err *reterr)
{
	switch (k->kind) {
	case KIND_TEXT:
	case KIND_PATH: return parse_text(k, text, field, reterr);
	case KIND_LIST: return parse_list(text, line, again, field, reterr);
	case KIND_ADDRESSES: return parse_addresses(text, line, again, field, reterr);
	case KIND_WORKERS: return parse_workers(k, text, field, reterr);
	case KIND_COUNT:
	case KIND_MODE:
	case KIND_SIZE:
	case KIND_DURATION: return parse_number(k, text, field, reterr);
	case KIND_FLAG: return parse_flag(text, field, reterr);
	case KIND_HOSTPORT: return parse_hostport(text, field, reterr);
	case KIND_EXPOSE: return parse_expose(text, field, reterr);
	case KIND_PROXY: return 0; /* a reference: conf_check.c resolves it */
	default: return conf_word_parse(k, text, field, reterr);
	}
}

void conf_value_free(const struct conf_key *k, void *field)
{
	if (k->kind == KIND_TEXT || k->kind == KIND_PATH) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (k->kind == KIND_LIST) {
		list_free(field);
	} else if (k->kind == KIND_ADDRESSES) {
		struct conf_addresses *a = field;
		free(a->items);
		*a = (struct conf_addresses){ NULL, 0 };
	}
}
