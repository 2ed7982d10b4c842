/* What a client of the doctor asks for: an image, and the pull secret that goes with it.  Keeper.
 *
 *   {"image": "localhost:30085/team/app:t1", "auth": {"auths": {"localhost:30085": {"auth": "..."}}}}
 *
 * Both may be missing; auth is what a .dockerconfigjson holds. */
#ifndef DOCTOR_ORDER_H
#define DOCTOR_ORDER_H

#include <jansson.h>

#include "doctor_image.h"

struct doctor_order {
	char image[DOCTOR_IMAGE_MAX]; /* "" = none: every registry */
	json_t *auths;                /* of the pull secret, a JSON object; NULL = none was given */
};

/* Reads the body, which may be empty.  0: *ret is the caller's (doctor_order_done); -EINVAL with reterr, which quotes nothing. */
MUST_CHECK int doctor_order_read(struct strview body, struct doctor_order *ret, struct err *reterr);
void doctor_order_done(struct doctor_order *o);

#define DOCTOR_KEYS_MAX 160

/* What a pull secret has for an image. */
struct doctor_secret {
	bool fits;                  /* a key of it covers the image */
	char keys[DOCTOR_KEYS_MAX]; /* all of them, for texts */
	char *authorization;        /* "Basic ..." (RFC 7617), secret; NULL = none, and why says why */
	const char *why;            /* static text */
};

/* Looks for the key that covers host/repository as the kubelet does: scheme and a path /v1/ or /v2/ do not count, host and
 * port must be equal ('*' stands for a label or a part of one), and the repository must begin with the path, be it in the
 * middle of a component.  The longest key wins; for docker.io that of index.docker.io serves when no other does.  0 or
 * -ENOMEM; *ret is the caller's (doctor_secret_done). */
MUST_CHECK int doctor_secret_find(json_t *auths, const char *host, struct strview repository, struct doctor_secret *ret);
void doctor_secret_done(struct doctor_secret *s);

#endif
