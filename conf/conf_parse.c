/* The INI file, line by line: our reader checks every line and hands it to inih whole.  Master; the one file that
 * includes ini.h.
 *
 * What inih does by itself and is closed here: it splits long lines and reads the rest as another key, cuts long
 * section names, takes an indented line for one more value of the key above, stops a value at " ;", goes on after an
 * error without saying where, and calls a directory an empty file. */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#include "conf_build.h"

#define LINE_MAX_BYTES 8192

/* --- section headers ------------------------------------------------------------------------------------------- */

static bool name_ok(struct strview name)
{
	if (name.n == 0 || name.n > CONF_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

static void section_named(struct conf_build *b, enum conf_section s, struct strview name)
{
	const char *word = conf_section_name(s);
	const unsigned count = s == CONF_PROXY ? b->c->proxies : b->c->registries;
	const unsigned most = s == CONF_PROXY ? CONF_PROXIES : CONF_REGISTRIES;

	if (!name_ok(name)) {
		build_mistake(b, b->line, "the name of a section has 1 to %d letters, digits, '.', '_' or '-'", CONF_NAME_MAX);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		const char *other = s == CONF_PROXY ? b->c->proxy[i]->name : b->c->registry[i]->name;
		if (sv_eq(name, sv_str(other))) {
			build_mistake(b, b->line, "[%s %s] is already given (an unnamed one is named default)", word, other);
			return;
		}
	}
	if (s == CONF_PROXY && sv_eq(name, SV("none"))) {
		build_mistake(b, b->line, "a [proxy] cannot be named none: 'proxy = none' is straight to the host");
		return;
	}
	if (count == most) {
		build_mistake(b, b->line, "more than %u [%s] sections", most, word);
		return;
	}
	if ((s == CONF_PROXY ? build_proxy(b, name) : build_registry(b, name)) < 0) {
		build_mistake(b, b->line, "out of memory for [%s]", word);
		return;
	}
	b->instance = count;
	b->skip = false;
	*(s == CONF_PROXY ? &b->c->origins->proxy_line[count] : &b->c->origins->registry_line[count]) = b->line;
}

static void section_begin(struct conf_build *b, struct strview inside)
{
	size_t n = 0;

	inside = sv_trim(inside);
	while (n < inside.n && inside.p[n] != ' ' && inside.p[n] != '\t')
		n++;
	struct strview word = sv_make(inside.p, n), name = sv_trim(sv_from(inside, n));
	enum conf_section s = conf_section_find(word);
	b->section = s;
	b->instance = 0;
	b->skip = true;
	if (s == CONF_SECTIONS) {
		const char *near = conf_section_near(word);
		build_mistake(b, b->line, near ? "[" SV_FMT "] is not a section (did you mean '%s'?)" : "[" SV_FMT "] is not a section%s",
		              SV_ARG(word), near ? near : "");
	} else if (conf_section_repeats(s)) {
		section_named(b, s, name.n ? name : SV("default"));
	} else if (name.n) {
		build_mistake(b, b->line, "[%s] takes no name", conf_section_name(s));
	} else if (b->header[s]) {
		build_mistake(b, b->line, "[%s] is already given in line %d", conf_section_name(s), b->header[s]);
	} else {
		b->header[s] = b->line;
		b->skip = false;
	}
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static void header_line(struct conf_build *b, struct strview line)
{
	const char *close = memchr(line.p, ']', line.n);

	if (!close || sv_trim(sv_from(line, (size_t)(close - line.p) + 1)).n) {
		build_mistake(b, b->line, "a section header is one [NAME] on its line");
		b->section = CONF_SECTIONS;
		b->skip = true;
		return;
	}
	section_begin(b, sv_make(line.p + 1, (size_t)(close - line.p) - 1));
}

/* True when inih may see the line as it is. */
static bool key_line_ok(struct conf_build *b, struct strview line)
{
	const char *equals = memchr(line.p, '=', line.n), *colon = memchr(line.p, ':', line.n);

	if (!equals || (colon && colon < equals)) {
		if (!b->skip)
			build_mistake(b, b->line, "neither [SECTION] nor 'key = value'");
		return false;
	}
#if !HAVE_DECL_INI_ALLOW_INLINE_COMMENTS
	for (const char *p = equals; p + 1 < line.p + line.n; p++)
		if ((*p == ' ' || *p == '\t') && p[1] == ';') {
			build_mistake(b, b->line, "a value with ' ;' is not supported by this build's inih");
			return false;
		}
#endif
	return true;
}

/* True when the line goes to inih. */
static bool line_take(struct conf_build *b, struct strview line, size_t room)
{
	if (line.n > LINE_MAX_BYTES || line.n + 2 > room) {
		build_mistake(b, b->line, "the line is longer than %d bytes", LINE_MAX_BYTES);
		return false;
	}
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			build_mistake(b, b->line, "a control character (0x%02x)", c);
			return false;
		}
	}
	if (sv_trim(line).n == 0 || line.p[0] == '#' || line.p[0] == ';')
		return false;
	if (line.p[0] == ' ' || line.p[0] == '\t') {
		build_mistake(b, b->line, "the line begins with a space: values do not continue on the next line");
		return false;
	}
	if (line.p[0] != '[')
		return key_line_ok(b, line);
	header_line(b, line);
	return false;
}

/* inih's reader: one call, one line; lines that are not for inih come as empty ones. */
static char *read_line(char *dst, int room, void *stream)
{
	struct conf_build *b = stream;

	if (b->at >= b->end)
		return NULL;
	const char *eol = memchr(b->at, '\n', (size_t)(b->end - b->at));
	struct strview line = sv_make(b->at, (size_t)((eol ? eol : b->end) - b->at));
	b->at = eol ? eol + 1 : b->end;
	b->line++;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	size_t n = line_take(b, line, (size_t)room) ? line.n : 0;
	if (n)
		memcpy(dst, line.p, n);
	memcpy(dst + n, "\n", 2);
	return dst;
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

static bool is_list(const struct conf_key *k)
{
	return k->kind == KIND_LIST || k->kind == KIND_ADDRESSES;
}

static void key_value(struct conf_build *b, const struct conf_key *k, struct strview value)
{
	void *field = conf_field(k, conf_instance(b->c, b->section, b->instance));
	int *line = &conf_origin(b->c->origins, b->section, b->instance)[k - conf_keys];
	struct err why = { .code = 0 };

	if (*line && !is_list(k)) {
		build_mistake(b, b->line, "%s is already given in line %d", k->name, *line);
		return;
	}
	bool again = *line != 0;
	*line = b->line;
	int r = conf_value_parse(k, value, b->line, again, field, &why);
	if (r == -ENOMEM)
		build_mistake(b, b->line, "out of memory");
	else if (r < 0)
		build_mistake(b, b->line, "%s: %s", k->name, why.text);
	else if (k->kind == KIND_PROXY && !(b->proxy_ref[b->instance] = strndup(value.p, value.n)))
		build_mistake(b, b->line, "out of memory");
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct conf_build *b = user;

	(void)section; /* cut by inih: the reader knows better */
	if (b->skip)
		return 1;
	if (b->section == CONF_SECTIONS) {
		build_mistake(b, b->line, "%s stands before the first [section]", name);
		return 1;
	}
	const struct conf_key *k = conf_key_find(b->section, sv_str(name));
	const char *word = conf_section_name(b->section);
	if (k) {
		key_value(b, k, sv_str(value));
		return 1;
	}
	const char *near = conf_key_near(b->section, sv_str(name));
	if (near)
		build_mistake(b, b->line, "[%s] has no key '%s' (did you mean '%s'?)", word, name, near);
	else
		build_mistake(b, b->line, "[%s] has no key '%s'", word, name);
	return 1;
}

void conf_parse(struct conf_build *b, struct strview bytes)
{
	b->at = bytes.p;
	b->end = bytes.p + bytes.n;
	b->section = CONF_SECTIONS;
	if (sv_starts(bytes, SV("\xef\xbb\xbf")))
		b->at += 3;
#if HAVE_DECL_INI_MAX_LINE
	ini_use_stack = false;
	ini_max_line = ini_initial_alloc = LINE_MAX_BYTES + 2;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
#endif
	if (ini_parse_stream(read_line, b, on_pair, b) == -2)
		build_mistake(b, 0, "out of memory");
}
