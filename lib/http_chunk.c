/* Strict decoder of chunked bodies.  Each state is one function that looks at one byte; data is handed on in pieces.
 * Worker (token POST), and whoever reads answers of an upstream. */
#include "http_chunk.h"

#include <assert.h>
#include <errno.h>

#include "http_octets.h"

enum chunk_state {
#define S(state, function) S_##state,
#include "http_chunk_states.def"
#undef S
	S_STATES
};

static int malformed(struct chunk *c, const char *why)
{
	c->why = why;
	return -EBADMSG;
}

static int go(struct chunk *c, enum chunk_state to)
{
	assert(to < S_STATES);
	c->state = to;
	return 0;
}

/* The value of a hex digit, or -1. */
static int hex_value(unsigned char b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	if (b >= 'a' && b <= 'f')
		return b - 'a' + 10;
	if (b >= 'A' && b <= 'F')
		return b - 'A' + 10;
	return -1;
}

static int on_ext(struct chunk *c, unsigned char b)
{
	if (b == '\r')
		return go(c, S_SIZE_LF);
	if (!http_is_value_byte(b))
		return malformed(c, "a control character in a chunk extension");
	if (++c->ext > CHUNK_EXT_MAX || ++c->ext_total > CHUNK_EXT_TOTAL_MAX)
		return malformed(c, "too long chunk extensions");
	return 0;
}

static int on_size(struct chunk *c, unsigned char b)
{
	const int digit = hex_value(b);

	if (digit >= 0) {
		/* More than a file offset can hold would wrap in whatever adds the pieces up. */
		if (++c->digits > 16 || c->left > (uint64_t)INT64_MAX >> 4)
			return malformed(c, "a chunk size that is too large");
		c->left = c->left << 4 | (unsigned)digit;
		return 0;
	}
	if (c->digits == 0)
		return malformed(c, "a chunk size does not begin with a hex digit");
	c->ext = 0;
	if (b == '\r')
		return go(c, S_SIZE_LF);
	if (b != ';')
		return malformed(c, "a chunk size is followed by neither CRLF nor an extension");
	(void)go(c, S_EXT);
	return on_ext(c, b);
}

static int on_size_lf(struct chunk *c, unsigned char b)
{
	if (b != '\n')
		return malformed(c, "a chunk size line does not end in CRLF");
	c->digits = 0;
	return go(c, c->left ? S_DATA : S_TRAILER);
}

static int on_data_cr(struct chunk *c, unsigned char b)
{
	return b == '\r' ? go(c, S_DATA_LF) : malformed(c, "a chunk is longer than its size");
}

static int on_data_lf(struct chunk *c, unsigned char b)
{
	return b == '\n' ? go(c, S_SIZE) : malformed(c, "a chunk does not end in CRLF");
}

static int count_trailer(struct chunk *c)
{
	return ++c->trailer > CHUNK_TRAILER_MAX ? malformed(c, "too long trailers") : 0;
}

/* Fields that would change where this message ends or to whom it goes may not come late (RFC 9110 6.5.1).  We drop
 * every trailer, but a peer that sends these is up to something. */
static bool is_forbidden_trailer(const struct chunk *c)
{
	const struct strview name = sv_make(c->name, c->name_n);

	return sv_eq_nocase(name, SV("content-length")) || sv_eq_nocase(name, SV("transfer-encoding"))
	       || sv_eq_nocase(name, SV("host"));
}

static int on_trailer_name(struct chunk *c, unsigned char b)
{
	if (b == ':' && is_forbidden_trailer(c))
		return malformed(c, "a trailer field that must not come late");
	if (b == ':')
		(void)go(c, S_TRAILER_VALUE);
	else if (!http_is_tchar(b))
		return malformed(c, "a trailer line is not a field");
	else if (c->name_n < sizeof(c->name)) /* a longer name is none of those; its end does not matter */
		c->name[c->name_n++] = (char)b;
	return count_trailer(c);
}

static int on_trailer(struct chunk *c, unsigned char b)
{
	if (b == '\r')
		return go(c, S_END_LF);
	if (!http_is_tchar(b))
		return malformed(c, "a trailer line does not begin with a name");
	c->name_n = 0;
	(void)go(c, S_TRAILER_NAME);
	return on_trailer_name(c, b);
}

static int on_trailer_value(struct chunk *c, unsigned char b)
{
	if (b == '\r')
		(void)go(c, S_TRAILER_LF);
	else if (!http_is_value_byte(b))
		return malformed(c, "a control character in a trailer field");
	return count_trailer(c);
}

static int on_trailer_lf(struct chunk *c, unsigned char b)
{
	if (b != '\n')
		return malformed(c, "a trailer line does not end in CRLF");
	(void)go(c, S_TRAILER);
	return count_trailer(c);
}

static int on_end_lf(struct chunk *c, unsigned char b)
{
	return b == '\n' ? go(c, S_ENDED) : malformed(c, "the body does not end in CRLF");
}

static int (*const functions[S_STATES])(struct chunk *, unsigned char) = {
#define S(state, function) [S_##state] = function,
#include "http_chunk_states.def"
#undef S
};

void chunk_init(struct chunk *c)
{
	*c = (struct chunk){ .state = S_SIZE };
}

bool chunk_ended(const struct chunk *c)
{
	return c->state == S_ENDED;
}

/* The piece of the current chunk that begins at bytes. */
static struct strview take_data(struct chunk *c, const char *bytes, size_t n)
{
	const struct strview data = sv_make(bytes, c->left < n ? (size_t)c->left : n);

	c->left -= data.n;
	if (c->left == 0)
		(void)go(c, S_DATA_CR);
	return data;
}

int chunk_feed(struct chunk *c, const char *bytes, size_t n, size_t *ret_used, struct strview *ret_data)
{
	struct strview data = SV_NONE;
	size_t used = 0;

	while (used < n && data.n == 0 && !chunk_ended(c)) {
		if (c->state == S_DATA) {
			data = take_data(c, bytes + used, n - used);
			used += data.n;
			continue;
		}
		const int r = functions[c->state](c, (unsigned char)bytes[used++]);
		if (r < 0)
			return r;
	}
	*ret_used = used;
	*ret_data = data;
	return chunk_ended(c);
}
