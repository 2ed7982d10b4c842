/* application/x-www-form-urlencoded.  Keeper. */
#include "urlform.h"

static bool is_plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_'
	       || c == '*';
}

static bool put_byte(struct buf *b, const char *p)
{
	return is_plain((unsigned char)*p) ? buf_put(b, sv_make(p, 1)) : buf_printf(b, "%%%02X", (unsigned)(unsigned char)*p);
}

bool urlform_put(struct buf *b, struct strview name, struct strview value)
{
	bool ok = (buf_len(b) == 0 || buf_put(b, SV("&"))) && buf_put(b, name) && buf_put(b, SV("="));

	for (size_t i = 0; ok && i < value.n; i++)
		ok = put_byte(b, value.p + i);
	return ok;
}
