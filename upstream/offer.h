/* What a 401 offers, of what we know: Basic, and how to get a Bearer token.  Worker and keeper. */
#ifndef OFFER_H
#define OFFER_H

#include "challenge.h"
#include "http_head.h"

/* A parameter; n is 0 when it is not there, or longer than we take. */
struct offer_word {
	char text[CHALLENGE_REALM_MAX];
	size_t n;
};

struct offer {
	bool basic, bearer;
	struct offer_word realm, service, scope; /* of the first Bearer challenge */
};

/* All WWW-Authenticate fields of h; what is no list of challenges ends that field.  RFC 9110 11.6.1, distribution's token
 * authentication. */
void offer_read(const struct http_head *h, struct offer *ret);

#endif
