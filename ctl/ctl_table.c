/* Aligned columns of plain text.  Regctl. */
#include "ctl_table.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "cleanup.h"

void ctl_table_init(struct ctl_table *t, unsigned columns)
{
	assert(columns > 0 && columns <= CTL_COLUMNS);
	*t = (struct ctl_table){ .columns = columns };
}

/* What strangers say shall not command the terminal: no C0, no DEL, and no C1 as UTF-8 has them (C2 80 to C2 9F). */
static void disarm(char *text)
{
	for (unsigned char *p = (unsigned char *)text; p && *p; p++) {
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

void ctl_table_put(struct ctl_table *t, const char *fmt, ...)
{
	char **cell = reallocarray(t->cell, t->cells + 1, sizeof(*cell));
	char *text = NULL;
	va_list ap;

	if (!cell)
		return;
	t->cell = cell;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	disarm(text);
	t->cell[t->cells++] = text;
}

static const char *cell_at(const struct ctl_table *t, size_t i)
{
	return i < t->cells && t->cell[i] ? t->cell[i] : "";
}

static void print_row(const struct ctl_table *t, size_t first, const size_t *width, FILE *out)
{
	unsigned last = t->columns - 1;

	while (last > 0 && cell_at(t, first + last)[0] == '\0')
		last--;
	for (unsigned c = 0; c <= last; c++)
		fprintf(out, "%-*s%s", c < last ? (int)width[c] : 0, cell_at(t, first + c), c < last ? "  " : "\n");
}

void ctl_table_print(struct ctl_table *t, FILE *out)
{
	size_t width[CTL_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->cells; i++)
		if (strlen(cell_at(t, i)) > width[i % t->columns])
			width[i % t->columns] = strlen(cell_at(t, i));
	for (size_t i = 0; i < t->cells; i += t->columns)
		print_row(t, i, width, out);
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
	ctl_table_init(t, t->columns);
}
