/* SOCKS5, the client's side.  Worker and keeper. */
#include "socks.h"

#include <arpa/inet.h>
#include <string.h>

#include "base64.h"

#define VERSION     5
#define LOGIN_SAP   1 /* version of the sub-negotiation of method 80 */
#define CONNECT     1
#define NONE_KNOWN  0xff
#define ATYP_V4     1
#define ATYP_NAME   3
#define ATYP_V6     4
#define STRING_MAX  255 /* a length is one byte */

/* --- ours ------------------------------------------------------------------------------------------------------- */

static bool put(struct buf *b, const void *bytes, size_t n)
{
	return buf_put(b, sv_make(bytes, n));
}

static bool put_byte(struct buf *b, unsigned byte)
{
	const unsigned char c = (unsigned char)byte;

	return put(b, &c, 1);
}

bool socks_begin(struct socks *s, struct buf *out)
{
	s->stage = SOCKS_METHOD;
	return put_byte(out, VERSION) && put_byte(out, s->proxy->socks_method_count)
	       && put(out, s->proxy->socks_method, s->proxy->socks_method_count);
}

/* 01, the token with four bytes of length, the location id in base64 with one. */
static bool put_login(const struct socks *s, struct buf *out)
{
	char location[BASE64_MAX(STRING_MAX) + 1];
	const uint32_t length = htonl((uint32_t)s->token.n);
	const struct strview id = sv_str(s->location_id);

	if (BASE64_MAX(id.n) > STRING_MAX) /* the configuration has none that long */
		return false;
	const size_t n = base64_encode(id, location);
	return put_byte(out, LOGIN_SAP) && put(out, &length, sizeof(length)) && buf_put(out, s->token) && put_byte(out, (unsigned)n)
	       && put(out, location, n);
}

static bool put_target(const struct url_hostport *at, struct buf *out)
{
	unsigned char address[sizeof(struct in6_addr)];
	const size_t n = strlen(at->host);

	if (at->v6)
		return inet_pton(AF_INET6, at->host, address) == 1 && put_byte(out, ATYP_V6) && put(out, address, sizeof(struct in6_addr));
	if (at->literal)
		return inet_pton(AF_INET, at->host, address) == 1 && put_byte(out, ATYP_V4) && put(out, address, sizeof(struct in_addr));
	return n <= STRING_MAX && put_byte(out, ATYP_NAME) && put_byte(out, (unsigned)n) && put(out, at->host, n);
}

static enum socks_result request(struct socks *s, struct buf *out)
{
	const uint16_t port = htons(s->target->port);

	s->stage = SOCKS_REPLY;
	return put_byte(out, VERSION) && put_byte(out, CONNECT) && put_byte(out, 0) && put_target(s->target, out)
	       && put(out, &port, sizeof(port)) ? SOCKS_SAY : SOCKS_NO_ROOM;
}

/* --- theirs ----------------------------------------------------------------------------------------------------- */

static bool was_offered(const struct socks *s, unsigned method)
{
	return memchr(s->proxy->socks_method, (int)method, s->proxy->socks_method_count) != NULL;
}

static enum socks_result on_method(struct socks *s, struct strview said, struct buf *out)
{
	const unsigned version = (unsigned char)said.p[0], method = (unsigned char)said.p[1];

	if (version != VERSION)
		return SOCKS_GARBAGE;
	if (method == NONE_KNOWN)
		return SOCKS_NO_METHOD;
	if (!was_offered(s, method))
		return SOCKS_GARBAGE;
	if (method == CONF_SOCKS_NONE)
		return request(s, out);
	s->stage = SOCKS_LOGIN;
	return put_login(s, out) ? SOCKS_SAY : SOCKS_NO_ROOM;
}

static enum socks_result on_login(struct socks *s, struct strview said, struct buf *out)
{
	if (said.p[0] != LOGIN_SAP)
		return SOCKS_GARBAGE;
	return said.p[1] == 0 ? request(s, out) : SOCKS_LOGIN_FAILED;
}

/* Bytes of a reply whose first five are there; 0 = nobody knows. */
static size_t reply_length(struct strview said)
{
	switch (said.p[3]) {
	case ATYP_V4: return 4 + sizeof(struct in_addr) + 2;
	case ATYP_V6: return 4 + sizeof(struct in6_addr) + 2;
	case ATYP_NAME: return 4 + 1 + (size_t)(unsigned char)said.p[4] + 2;
	default: return 0;
	}
}

/* The address that it was bound to is of no interest; what is refused needs none. */
static enum socks_result on_reply(struct socks *s, struct strview said, size_t *ret_used)
{
	if ((unsigned char)said.p[0] != VERSION)
		return SOCKS_GARBAGE;
	s->reply = (unsigned char)said.p[1];
	if (s->reply != 0)
		return SOCKS_REFUSED;
	if (said.n < 5)
		return SOCKS_MORE;
	const size_t n = reply_length(said);
	if (n == 0 || said.p[2] != 0)
		return SOCKS_GARBAGE;
	if (said.n < n)
		return SOCKS_MORE;
	*ret_used = n;
	s->stage = SOCKS_DONE;
	return said.n == n ? SOCKS_OPEN : SOCKS_EARLY;
}

enum socks_result socks_feed(struct socks *s, struct buf *in, struct buf *out)
{
	const struct strview said = buf_view(in);
	enum socks_result r = SOCKS_GARBAGE;
	size_t used = 2;

	if (said.n < 2)
		return said.n == 0 || said.p[0] == (s->stage == SOCKS_LOGIN ? LOGIN_SAP : VERSION) ? SOCKS_MORE : SOCKS_GARBAGE;
	switch (s->stage) {
	case SOCKS_METHOD: r = on_method(s, said, out); break;
	case SOCKS_LOGIN: r = on_login(s, said, out); break;
	case SOCKS_REPLY: used = 0; r = on_reply(s, said, &used); break;
	case SOCKS_DONE: break;
	}
	buf_consume(in, used);
	/* Whoever answers before it is asked knows what we will say, or is not what it seems. */
	return r == SOCKS_SAY && buf_len(in) ? SOCKS_EARLY : r;
}

const char *socks_reply_text(unsigned reply)
{
	static const char *const texts[] = {
		"granted", "general failure, or closed by the backend", "no such mapping", "the Cloud Connector is not connected",
		"host unreachable", "authentication failed", "TTL expired", "command not supported", "address type not supported",
	};

	return reply < ARRAY_LEN(texts) ? texts[reply] : "unknown";
}
