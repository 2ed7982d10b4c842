/* What is said to a SOCKS5 server before its connection is one to the target: RFC 1928, and the connectivity proxy's method 80,
 * by which a token and a location id are shown.  Bytes only: it reads and writes buffers.  Worker and keeper. */
#ifndef SOCKS_H
#define SOCKS_H

#include "buf.h"
#include "conf.h"

/* The greeting, then the token and the request at their longest. */
#define SOCKS_OUT_MAX (16 * 1024)

enum socks_stage { SOCKS_METHOD, SOCKS_LOGIN, SOCKS_REPLY, SOCKS_DONE };

struct socks {
	const struct conf_proxy *proxy;    /* borrowed, as the next two */
	const struct url_hostport *target;
	const char *location_id;           /* "" = none */
	struct strview token;              /* for method 80; may be cleared by the caller after each call */
	enum socks_stage stage;
	unsigned reply;                    /* after SOCKS_REFUSED */
};

enum socks_result {
	SOCKS_MORE,         /* the server's bytes are not all there */
	SOCKS_SAY,          /* out has what comes next */
	SOCKS_OPEN,         /* connected to the target: nothing of in is left */
	SOCKS_NO_METHOD,    /* none of ours is known there */
	SOCKS_LOGIN_FAILED, /* the token, or the location id with it */
	SOCKS_REFUSED,      /* reply says why */
	SOCKS_GARBAGE,      /* no SOCKS5 */
	SOCKS_EARLY,        /* bytes behind the reply, before we said anything */
	SOCKS_NO_ROOM       /* of out */
};

/* Puts the greeting into out.  False: no room. */
MUST_CHECK bool socks_begin(struct socks *s, struct buf *out);
/* Takes what the server said off in. */
MUST_CHECK enum socks_result socks_feed(struct socks *s, struct buf *in, struct buf *out);

/* What a reply means, for people; static. */
const char *socks_reply_text(unsigned reply);

#endif
