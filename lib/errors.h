/* The relay's own errors (errors.def): ids that all processes share, and their texts.  Any process. */
#ifndef ERRORS_H
#define ERRORS_H

#include "stats.h"
#include "strview.h"

enum error_id {
#define E(id, name, status, code, reason, text, cause, fix) ERROR_##id,
#include "errors.def"
#undef E
	ERROR_IDS
};

struct error_row {
	const char *name; /* stable id, as in X-Regrelay-Error */
	unsigned status;
	const char *code; /* OCI error code */
	enum stats_reason reason;
	const char *text, *cause, *fix;
};

/* What the placeholders of a text stand for; empty = left out.  {location} becomes " for location id X" or "". */
struct error_context {
	struct strview proxy, vhost, location, path, detail;
};

#define ERROR_TEXT_MAX 256

/* The row of id; that of NONE for a number that is no id (it may come from another process). */
const struct error_row *error_row(unsigned id);
/* Renders the row's text into dst[ERROR_TEXT_MAX]: printable ASCII only (others become '?'), cut when too long. */
void error_render(unsigned id, const struct error_context *ctx, char *dst);

#endif
