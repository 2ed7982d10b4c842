/* The effective configuration as a file that loads to the same, with where each value comes from.  Master. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf_key.h"

static void dump_origin(FILE *f, const struct conf *c, int line)
{
	if (line)
		fprintf(f, "# %s:%d\n", c->path, line);
	else
		fprintf(f, "# default\n");
}

/* One line a list item: a joined line could be longer than the reader takes. */
static void dump_list(FILE *f, const struct conf *c, const struct conf_key *k, const struct conf_list *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (i == 0 || l->lines[i] != l->lines[i - 1])
			dump_origin(f, c, l->lines[i]);
		fprintf(f, "%s = %s\n", k->name, l->items[i]);
	}
}

static void dump_key(FILE *f, const struct conf *c, const struct conf_key *k, int line, const void *field)
{
	const struct conf_list *l = k->kind == KIND_LIST ? field : NULL;
	char text[9000];

	if (l && l->count) {
		dump_list(f, c, k, l);
		return;
	}
	dump_origin(f, c, line);
	if (!l && conf_value_format(k, field, text, sizeof(text)))
		fprintf(f, "%s = %s\n", k->name, text);
}

static void dump_section(FILE *f, const struct conf *c, enum conf_section s, unsigned i, const char *name)
{
	struct conf *writable = (struct conf *)(uintptr_t)c; /* the same accessor serves reader and writer */
	const int *line = conf_origin(c->origins, s, i);

	fprintf(f, name && strcmp(name, "default") != 0 ? "\n[%s %s]\n" : "\n[%s]\n", conf_section_name(s), name);
	for (size_t k = 0; k < CONF_KEYS; k++)
		if (conf_keys[k].section == s)
			dump_key(f, c, &conf_keys[k], line[k], conf_field(&conf_keys[k], conf_instance(writable, s, i)));
}

int conf_dump(const struct conf *c, int fd)
{
	int copy = dup(fd);
	FILE *f = copy < 0 ? NULL : fdopen(copy, "w");

	if (!f) {
		int code = -errno;
		close_p(&copy);
		return code;
	}
	fprintf(f, "# effective configuration of %s\n# sha256 %s\n", c->path, c->hash);
	for (enum conf_section s = CONF_MASTER; s < CONF_PROXY; s++)
		dump_section(f, c, s, 0, NULL);
	for (unsigned i = 0; i < c->proxies; i++)
		if (!c->proxy[i]->direct)
			dump_section(f, c, CONF_PROXY, i, c->proxy[i]->name);
	for (unsigned i = 0; i < c->registries; i++)
		dump_section(f, c, CONF_REGISTRY, i, c->registry[i]->name);
	bool failed = ferror(f);
	return fclose(f) == EOF || failed ? -EIO : 0;
}
