/* Hosts, ports and URLs in the strict grammar that the relay accepts.  Any process. */
#include "url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "num.h"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* LDH of 1-63 bytes, and '_'; no hyphen at the ends. */
static bool label_ok(struct strview l)
{
	if (l.n == 0 || l.n > 63 || l.p[0] == '-' || l.p[l.n - 1] == '-')
		return false;
	for (size_t i = 0; i < l.n; i++)
		if (!is_alnum(l.p[i]) && l.p[i] != '-' && l.p[i] != '_')
			return false;
	return true;
}

/* Some resolvers read "127.1", "0x7f.1" or "2130706433" as addresses: a last label that looks like a number is one. */
static bool label_is_number(struct strview l)
{
	bool hex = l.n > 1 && l.p[0] == '0' && (l.p[1] == 'x' || l.p[1] == 'X');

	for (size_t i = hex ? 2 : 0; i < l.n; i++) {
		char c = l.p[i];
		bool digit = c >= '0' && c <= '9';
		if (!digit && !(hex && is_hex(c)))
			return false;
	}
	return true;
}

static int host_name(struct strview s, struct url_hostport *hp, struct err *reterr)
{
	struct strview rest = s, label = SV_NONE;
	struct in_addr quad;

	if (!sv_copy(hp->host, sizeof(hp->host), s) || s.n == 0)
		return err_set(reterr, -EINVAL, "a host has 1 to %d bytes", URL_HOST_MAX);
	while (sv_cut(&rest, '.', &label))
		if (!label_ok(label))
			return err_set(reterr, -EINVAL, "'" SV_FMT "' is not a host name", SV_ARG(s));
	if (label_is_number(label)) {
		if (inet_pton(AF_INET, hp->host, &quad) != 1)
			return err_set(reterr, -EINVAL, "'" SV_FMT "' is neither a name nor an IPv4 address", SV_ARG(s));
		hp->literal = true;
	}
	for (char *p = hp->host; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return 0;
}

static int host_v6(struct strview s, struct url_hostport *hp, struct err *reterr)
{
	struct in6_addr six;
	char text[INET6_ADDRSTRLEN];

	if (!sv_copy(text, sizeof(text), s) || inet_pton(AF_INET6, text, &six) != 1
	    || !inet_ntop(AF_INET6, &six, hp->host, sizeof(hp->host)))
		return err_set(reterr, -EINVAL, "'[" SV_FMT "]' is not an IPv6 address", SV_ARG(s));
	hp->v6 = hp->literal = true;
	return 0;
}

static int port_number(struct strview s, struct url_hostport *hp, struct err *reterr)
{
	uint64_t port;

	if (s.n == 0 || s.p[0] == '0' || num_u64(s, UINT16_MAX, &port) < 0)
		return err_set(reterr, -EINVAL, "'" SV_FMT "' is not a port from 1 to 65535", SV_ARG(s));
	hp->port = (uint16_t)port;
	return 0;
}

int url_hostport_parse(struct strview s, struct url_hostport *ret, struct err *reterr)
{
	struct url_hostport hp = { .port = 0 };
	struct strview host = s, port = SV_NONE;
	bool v6 = s.n > 0 && s.p[0] == '[';
	const char *end = v6 ? memchr(s.p, ']', s.n) : NULL;

	if (s.n > 0 && memchr(s.p, '@', s.n)) /* quoted it would show a password */
		return err_set(reterr, -EINVAL, "user and password have no place before a host");
	if (v6 && !end)
		return err_set(reterr, -EINVAL, "']' is missing");
	const char *from = v6 ? end + 1 : s.p;
	size_t left = s.n - (size_t)(from - s.p);
	const char *colon = left ? memchr(from, ':', left) : NULL;
	if (colon) {
		port = sv_from(s, (size_t)(colon - s.p) + 1);
		host.n = (size_t)(colon - s.p);
	}
	if (v6 && s.p + host.n != end + 1)
		return err_set(reterr, -EINVAL, "only ':PORT' may follow ']'");
	int r = v6 ? host_v6(sv_make(s.p + 1, host.n - 2), &hp, reterr) : host_name(host, &hp, reterr);
	if (r == 0 && colon)
		r = port_number(port, &hp, reterr);
	if (r == 0)
		*ret = hp;
	else if (sv_starts(port, SV("//"))) /* what people write most often instead */
		return err_set(reterr, -EINVAL, "'" SV_FMT "' is a URL, HOST:PORT is wanted", SV_ARG(s));
	return r;
}

bool url_host_field_ok(struct strview s)
{
	UNCLEARED struct url_hostport hp;
	UNCLEARED struct err ignored;

	return url_hostport_parse(s, &hp, &ignored) == 0;
}

void url_authority(const struct url_hostport *hp, char *dst)
{
	const char *open = hp->v6 ? "[" : "", *close = hp->v6 ? "]" : "";

	if (hp->port)
		(void)snprintf(dst, URL_AUTHORITY_MAX, "%s%s%s:%u", open, hp->host, close, (unsigned)hp->port);
	else
		(void)snprintf(dst, URL_AUTHORITY_MAX, "%s%s%s", open, hp->host, close);
}

bool url_hostport_eq(const struct url_hostport *a, const struct url_hostport *b)
{
	return a->port == b->port && sv_eq_nocase(sv_str(a->host), sv_str(b->host));
}

static bool url_bytes_ok(struct strview s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= 0x20 || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\')
			return false;
	}
	return true;
}

bool url_is_query(struct strview s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '%') {
			if (s.n - i < 3 || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))
				return false;
			i += 2;
		} else if (c == '\0' || (!is_alnum(c) && !strchr("-._~!$&'()*+,;=:@/?", c))) {
			return false;
		}
	}
	return true;
}

int url_parse(struct strview s, struct url *ret, struct err *reterr)
{
	struct url u = { .https = false };

	if (!url_bytes_ok(s))
		return err_set(reterr, -EINVAL, "a URL has no such bytes here");
	if (s.n >= 8 && sv_eq_nocase(sv_make(s.p, 8), SV("https://")))
		u.https = true;
	else if (s.n < 7 || !sv_eq_nocase(sv_make(s.p, 7), SV("http://")))
		return err_set(reterr, -EINVAL, "not an http:// or https:// URL");
	struct strview rest = sv_from(s, u.https ? 8 : 7);
	size_t n = 0;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	u.path = sv_from(rest, n);
	if (u.path.n && u.path.p[0] != '/')
		return err_set(reterr, -EINVAL, "a path must begin with '/'");
	int r = url_hostport_parse(sv_make(rest.p, n), &u.at, reterr);
	if (r < 0)
		return r;
	if (!u.at.port)
		u.at.port = u.https ? 443 : 80;
	*ret = u;
	return 0;
}
