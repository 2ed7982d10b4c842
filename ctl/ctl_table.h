/* Aligned columns of plain text.  Regctl. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdio.h>

#define CTL_COLUMNS 10

struct ctl_table {
	unsigned columns;        /* <= CTL_COLUMNS */
	char **cell;             /* row after row; owned */
	size_t cells;
};

void ctl_table_init(struct ctl_table *t, unsigned columns);
/* Appends the next cell, left to right, row by row; control bytes become '?'.  When memory is short the cell
 * stays empty. */
void ctl_table_put(struct ctl_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints all rows, columns two spaces apart, no trailing spaces; then t is empty again. */
void ctl_table_print(struct ctl_table *t, FILE *out);

#endif
