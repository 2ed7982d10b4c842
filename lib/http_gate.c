/* The byte gate: one pass over every HTTP head before any parser sees it.  Each state is one function that looks at
 * one byte, so that it cannot matter how the bytes arrived; what is usual and whole is passed over at once, and must
 * leave what those functions would.  Worker, keeper, master, regctl. */
#include "http_gate.h"

#include <assert.h>

#include "cleanup.h"
#include "http_octets.h"

enum gate_state {
#define S(state, function) S_##state,
#include "http_gate_states.def"
#undef S
	S_STATES
};

static enum gate_verdict refuse(struct gate *g, enum gate_verdict verdict, const char *why)
{
	g->why = why;
	return verdict;
}

static enum gate_verdict go(struct gate *g, enum gate_state to)
{
	assert(to < S_STATES);
	g->state = to;
	return GATE_MORE;
}

/* Why a byte that nothing allows here is not allowed. */
static enum gate_verdict misplaced(struct gate *g, unsigned char c, const char *otherwise)
{
	if (c == '\n')
		return refuse(g, GATE_BAD, "a line ends in LF without CR");
	if (c == '\r')
		return refuse(g, GATE_BAD, "a CR where no line may end");
	if (c < 0x20 || c == 0x7f)
		return refuse(g, GATE_BAD, "a control character in the head");
	return refuse(g, GATE_BAD, otherwise);
}

static enum gate_verdict on_start(struct gate *g, unsigned char c)
{
	if (c == 0x16 && g->used == 1)
		return refuse(g, GATE_TLS, "a TLS handshake");
	if (c == '\r' && g->blank == 0)
		return go(g, S_BLANK_LF);
	if (c == '\r')
		return refuse(g, GATE_BAD, "more than one empty line before the request line");
	g->start = g->used - 1;
	return http_is_tchar(c) ? go(g, S_METHOD) : misplaced(g, c, "the request line does not begin with a method");
}

static enum gate_verdict on_blank_lf(struct gate *g, unsigned char c)
{
	if (c != '\n')
		return refuse(g, GATE_BAD, "a CR without LF");
	g->blank++;
	g->line_used = 0;
	return go(g, S_START);
}

static enum gate_verdict on_method(struct gate *g, unsigned char c)
{
	if (c == ' ')
		return go(g, S_TARGET);
	return http_is_tchar(c) ? GATE_MORE : misplaced(g, c, "the method is not a token");
}

static enum gate_verdict on_target(struct gate *g, unsigned char c)
{
	if (http_is_target_byte(c))
		return go(g, S_TARGET_MORE);
	if (c == ' ' && g->state == S_TARGET_MORE)
		return go(g, S_VERSION);
	if (c == ' ')
		return refuse(g, GATE_BAD, "more than one space in the request line");
	if (c == '\r')
		return refuse(g, GATE_BAD, "the request line has no HTTP version");
	return misplaced(g, c, "the request target has a character that no URI has");
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static enum gate_verdict on_version(struct gate *g, unsigned char c)
{
	static const char pattern[] = "HTTP/1.1\r";
	const unsigned at = g->step++;
	const bool digit = at == 5 || at == 7;

	assert(at < sizeof(pattern) - 1);
	/* Another digit is another version, not garbage: it deserves another answer. */
	if (digit ? !is_digit(c) : c != (unsigned char)pattern[at])
		return misplaced(g, c, "the request line does not end in an HTTP version");
	if (digit)
		g->other |= at == 5 ? c != '1' : c > '1';
	if (c != '\r')
		return GATE_MORE;
	if (g->other)
		return refuse(g, GATE_VERSION, "another version of HTTP");
	return go(g, S_START_LF);
}

static enum gate_verdict on_status(struct gate *g, unsigned char c)
{
	/* v = 0 or 1, s = 1 to 5, d = any digit; everything else stands for itself. */
	static const char pattern[] = "HTTP/1.v sdd ";
	const unsigned at = g->step++;
	bool ok = false;

	assert(at < sizeof(pattern) - 1);
	switch (pattern[at]) {
	case 'v':
		ok = c == '0' || c == '1';
		break;
	case 's':
		ok = c >= '1' && c <= '5';
		break;
	case 'd':
		ok = is_digit(c);
		break;
	default:
		ok = c == (unsigned char)pattern[at];
	}
	if (!ok)
		return misplaced(g, c, at < 8 ? "the answer does not begin with HTTP/1.1 or HTTP/1.0"
		                              : "the status is not three digits (100-599) between two spaces");
	return at == sizeof(pattern) - 2 ? go(g, S_REASON) : GATE_MORE;
}

static enum gate_verdict on_reason(struct gate *g, unsigned char c)
{
	if (c == '\r')
		return go(g, S_START_LF);
	return http_is_value_byte(c) ? GATE_MORE : misplaced(g, c, NULL);
}

static enum gate_verdict on_line_lf(struct gate *g, unsigned char c)
{
	if (c != '\n')
		return refuse(g, GATE_BAD, "a CR without LF");
	g->line_used = 0;
	return go(g, S_FIELD);
}

static enum gate_verdict on_field(struct gate *g, unsigned char c)
{
	if (c == '\r')
		return go(g, S_END_LF);
	if (c == ' ' || c == '\t')
		return refuse(g, GATE_BAD, "a folded line");
	if (!http_is_tchar(c))
		return misplaced(g, c, "a field line does not begin with a name");
	if (g->fields == g->limits.fields)
		return refuse(g, GATE_HEAD_LONG, "too many fields");
	g->fields++;
	return go(g, S_NAME);
}

static enum gate_verdict on_name(struct gate *g, unsigned char c)
{
	if (c == ':')
		return go(g, S_VALUE);
	if (c == ' ' || c == '\t')
		return refuse(g, GATE_BAD, "a space in a field name or before its colon");
	if (c == '\r')
		return refuse(g, GATE_BAD, "a field line without colon");
	return http_is_tchar(c) ? GATE_MORE : misplaced(g, c, "a field name is not a token");
}

static enum gate_verdict on_value(struct gate *g, unsigned char c)
{
	if (c == '\r')
		return go(g, S_VALUE_LF);
	return http_is_value_byte(c) ? GATE_MORE : misplaced(g, c, NULL);
}

static enum gate_verdict on_end_lf(struct gate *g, unsigned char c)
{
	return c == '\n' ? GATE_DONE : refuse(g, GATE_BAD, "a CR without LF");
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

typedef enum gate_verdict (*gate_fn)(struct gate *, unsigned char);

static const gate_fn functions[S_STATES] = {
#define S(state, function) [S_##state] = function,
#include "http_gate_states.def"
#undef S
};

/* The bytes that leave the scanner in its state are passed over at once: all that could stop within them are the limits,
 * which are kept.  What comes next, byte or limit, is look()'s. */
static void pass_over(struct gate *g, const char *bytes, size_t n)
{
	static const unsigned char stays[S_STATES] = {
		[S_METHOD] = HTTP_TCHAR, [S_TARGET_MORE] = HTTP_TARGET, [S_REASON] = HTTP_VALUE, [S_NAME] = HTTP_TCHAR,
		[S_VALUE] = HTTP_VALUE,
	};
	const unsigned char set = stays[g->state];

	if (!set || g->used + 1 >= g->limits.head || g->line_used >= g->limits.line)
		return;
	n = smaller(n - g->used, smaller(g->limits.head - g->used - 1, g->limits.line - g->line_used));
	n = set == HTTP_VALUE ? http_span_value(bytes + g->used, n) : http_span(bytes + g->used, n, set);
	g->used += n;
	g->line_used += n;
}

/* How many bytes may be taken at once without coming to a limit of the head, which look() tells. */
static size_t at_hand(const struct gate *g, size_t n)
{
	return g->used + 1 < g->limits.head ? smaller(n, g->limits.head - 1) - g->used : 0;
}

/* A field line that is whole and good is passed over at once.  Any other one is look()'s, from its first byte. */
static bool pass_field(struct gate *g, const char *line, size_t n)
{
	const size_t name = http_span(line, n, HTTP_TCHAR);

	if (name == 0 || name == n || line[name] != ':' || g->fields == g->limits.fields)
		return false;
	const size_t length = name + 1 + http_span_value(line + name + 1, n - name - 1);
	if (n - length < 2 || line[length] != '\r' || line[length + 1] != '\n' || length > g->limits.line)
		return false;
	g->used += length + 2;
	g->fields++;
	return true;
}

/* "HTTP/1.1 200 ", as almost every answer begins. */
static bool pass_status(struct gate *g, const char *line, size_t n)
{
	const size_t length = sizeof("HTTP/1.1 200 ") - 1;

	if (n < length || length > g->limits.line || memcmp(line, "HTTP/1.1 ", 9) != 0 || line[12] != ' ')
		return false;
	if (line[9] < '1' || line[9] > '5' || !is_digit((unsigned char)line[10]) || !is_digit((unsigned char)line[11]))
		return false;
	g->used += length;
	g->line_used = length;
	(void)go(g, S_REASON);
	return true;
}

/* "HTTP/1.1\r", as almost every request line ends. */
static bool pass_version(struct gate *g, const char *line, size_t n)
{
	const size_t length = sizeof("HTTP/1.1") - 1;

	if (n <= length || g->line_used + length > g->limits.line || memcmp(line, "HTTP/1.1\r", length + 1) != 0)
		return false;
	g->used += length + 1;
	g->line_used += length;
	(void)go(g, S_START_LF);
	return true;
}

/* What is usual and here to its end need not go byte by byte.  True: it was, and more may be. */
static bool pass_usual(struct gate *g, const char *bytes, size_t n)
{
	const char *rest = bytes + g->used;
	const size_t left = at_hand(g, n);

	switch (g->state) {
	case S_FIELD: return pass_field(g, rest, left);
	case S_STATUS: return g->step == 0 && pass_status(g, rest, left);
	case S_VERSION: return g->step == 0 && pass_version(g, rest, left);
	default: return false;
	}
}

/* A CR may still follow a line of full length; what else follows makes it too long. */
static enum gate_verdict look(struct gate *g, unsigned char c)
{
	g->used++;
	if (c != '\r' && c != '\n' && ++g->line_used > g->limits.line) {
		if (g->state < S_START_LF)
			return refuse(g, GATE_LINE_LONG, "the start line is too long");
		return refuse(g, GATE_HEAD_LONG, "a field line is too long");
	}
	return functions[g->state](g, c);
}

void gate_init(struct gate *g, enum gate_side side, const struct gate_limits *limits)
{
	*g = (struct gate){ .side = side, .limits = *limits };
	g->state = side == GATE_REQUEST ? S_START : S_STATUS;
}

enum gate_verdict gate_feed(struct gate *g, const char *bytes, size_t n)
{
	while (g->used < n) {
		if (pass_usual(g, bytes, n))
			continue;
		pass_over(g, bytes, n);
		if (g->used == n)
			break;
		const enum gate_verdict v = look(g, (unsigned char)bytes[g->used]);
		if (v != GATE_MORE)
			return v;
		if (g->used >= g->limits.head)
			return refuse(g, GATE_HEAD_LONG, "the head is too large");
	}
	return GATE_MORE;
}
