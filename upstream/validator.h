/* Is what is asked for again still what the client began to get?  A URL with a digest names its content for ever
 * (distribution-spec, "Digests"): nothing is compared, the client checks the digest.  Anything else must show the same
 * Docker-Content-Digest or strong ETag (RFC 9110 8.8.3, 13.1.5). */
#ifndef VALIDATOR_H
#define VALIDATOR_H

#include "http_head.h"

#define VALIDATOR_MAX 160 /* bytes of one, with its terminator; a longer one is as good as none */

struct validator {
	bool by_url;                 /* the URL has the digest */
	char etag[VALIDATOR_MAX];    /* with its quotes; "" = none, or a weak one */
	char digest[VALIDATOR_MAX];  /* Docker-Content-Digest; "" = none */
};

/* Of the answer to a request for path (with or without query).  False: nothing ties a second answer to this one. */
MUST_CHECK bool validator_learn(struct validator *v, struct strview path, const struct http_head *h);

/* The value of If-Range, "" = none is needed or possible.  Lives as long as v. */
const char *validator_if_range(const struct validator *v);

/* May the answer h, to a request that carried validator_if_range, go on with the first one?  Not told of a 416: that has no
 * content. */
bool validator_same(const struct validator *v, const struct http_head *h);

#endif
