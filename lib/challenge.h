/* The value of a WWW-Authenticate field, item by item: schemes and their parameters, several challenges in one value or one.
 * RFC 9110 11.6.1 and 11.2.  A token68 (what follows "Negotiate") ends the reading: nothing after it can be told apart.
 * Any process. */
#ifndef CHALLENGE_H
#define CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"
#include "strview.h"

#define CHALLENGE_REALM_MAX 2048 /* bytes of a realm that we take */

/* Views into the value. */
struct challenge_param {
	struct strview name;
	struct strview written; /* its value as it stands there, with the quotes when it has them */
};

struct challenge_reader {
	const char *p, *end;
	struct strview scheme; /* of the challenge that is being read; empty before the first */
};

enum challenge_item {
	CHALLENGE_END,
	CHALLENGE_SCHEME, /* the reader's scheme is another one */
	CHALLENGE_PARAM,  /* of the reader's scheme; *ret is filled */
	CHALLENGE_BAD     /* this is no list of challenges, from here on */
};

void challenge_begin(struct challenge_reader *r, struct strview value);
enum challenge_item challenge_next(struct challenge_reader *r, struct challenge_param *ret);

/* What a parameter's value means: without quotes and escapes, in dst, not terminated; its length, or -ENOBUFS: more than
 * cap. */
MUST_CHECK ssize_t challenge_value(const struct challenge_param *p, char *dst, size_t cap);

#endif
