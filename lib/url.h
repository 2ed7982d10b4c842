/* Hosts, ports and the pieces of a URL that we accept: a strict grammar of our own, because what a parser takes
 * leniently a proxy may read differently.  Any process. */
#ifndef URL_H
#define URL_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "strview.h"

#define URL_HOST_MAX      253
#define URL_AUTHORITY_MAX (URL_HOST_MAX + 9) /* [host]:65535 and the terminator */

struct url_hostport {
	char host[URL_HOST_MAX + 1]; /* lower-case; a v6 literal without brackets */
	uint16_t port;               /* 0 = not given */
	bool v6;                     /* host is an IPv6 literal: brackets when written */
	bool literal;                /* host is an IPv4 or IPv6 literal */
};

/* host[:port]: LDH labels and '_' (a virtual host may have one; the connectivity proxy then says so), an IPv4
 * dotted quad, or [v6].  No trailing dot, no userinfo, no zone, port 1..65535 without leading zeros.
 * RFC 3986 3.2.2, narrowed.  0 or -EINVAL with reterr, which quotes what is wrong, but no userinfo. */
MUST_CHECK int url_hostport_parse(struct strview s, struct url_hostport *ret, struct err *reterr);

/* The Host field of a client: the same grammar (RFC 9110 7.2); an empty one is refused. */
MUST_CHECK bool url_host_field_ok(struct strview s);

/* Writes "host:port" (with brackets where needed; without port when it is 0) into dst[URL_AUTHORITY_MAX]. */
void url_authority(const struct url_hostport *hp, char *dst);

/* True when both name the same host (case-insensitive) and the same port. */
bool url_hostport_eq(const struct url_hostport *a, const struct url_hostport *b);

/* Unreserved, sub-delims, ':', '@', '/', '?' and well-formed percent escapes (RFC 3986 3.4). */
bool url_is_query(struct strview s);

/* An absolute http:// or https:// URL: scheme, authority (port filled in), path with query (at least "/").
 * The parts point into s.  Refuses userinfo, fragments, controls, spaces, bytes >= 0x7f.  0 or -EINVAL. */
struct url {
	bool https;
	struct url_hostport at;
	struct strview path; /* path and query; begins with '/' or is empty */
};
MUST_CHECK int url_parse(struct strview s, struct url *ret, struct err *reterr);

#endif
