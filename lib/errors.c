/* The relay's own errors: rows and texts.  Any process. */
#include "errors.h"

static const struct error_row rows[ERROR_IDS] = {
#define E(id, name, status, code, reason, text, cause, fix)                                         \
	[ERROR_##id] = { name, status, code, reason, text, cause, fix },
#include "errors.def"
#undef E
};

const struct error_row *error_row(unsigned id)
{
	return &rows[id < ERROR_IDS ? id : ERROR_NONE];
}

static void append(char *dst, size_t *n, struct strview s)
{
	for (size_t i = 0; i < s.n && *n + 1 < ERROR_TEXT_MAX; i++) {
		unsigned char c = (unsigned char)s.p[i];
		dst[(*n)++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	dst[*n] = '\0';
}

static void append_named(char *dst, size_t *n, struct strview name, const struct error_context *c)
{
	if (sv_eq(name, SV("proxy"))) {
		append(dst, n, c->proxy);
	} else if (sv_eq(name, SV("vhost"))) {
		append(dst, n, c->vhost);
	} else if (sv_eq(name, SV("path"))) {
		append(dst, n, c->path);
	} else if (sv_eq(name, SV("detail"))) {
		append(dst, n, c->detail);
	} else if (sv_eq(name, SV("location")) && c->location.n) {
		append(dst, n, SV(" for location id "));
		append(dst, n, c->location);
	}
}

void error_render(unsigned id, const struct error_context *ctx, char *dst)
{
	struct strview text = sv_str(error_row(id)->text), part, name;
	size_t n = 0;

	dst[0] = '\0';
	while (text.n && sv_cut(&text, '{', &part)) {
		append(dst, &n, part);
		if (text.n && sv_cut(&text, '}', &name))
			append_named(dst, &n, name, ctx);
	}
}
