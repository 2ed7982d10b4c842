/* The name of an image as a pod spec has it: [host[:port]/]name[:tag][@digest].  Keeper.  What the name means beyond that is
 * route.h's to say: this only writes down the request that a node makes of it. */
#ifndef DOCTOR_IMAGE_H
#define DOCTOR_IMAGE_H

#include "conf.h"
#include "err.h"
#include "strview.h"

#define DOCTOR_IMAGE_MAX  1024 /* bytes of a name */
#define DOCTOR_TARGET_MAX (DOCTOR_IMAGE_MAX + URL_AUTHORITY_MAX + 64)

struct doctor_image {
	char host[URL_AUTHORITY_MAX]; /* as written; "docker.io" when the name has none */
	bool nameless;                /* it had none */
	bool by_ns;                   /* a node comes here only when its hosts.toml says so, and with ?ns=host */
	char reference[DOCTOR_IMAGE_MAX]; /* tag or digest; a digest beats a tag, and none of both is "latest" */
	char target[DOCTOR_TARGET_MAX];   /* of the first request: path and query */
	size_t name_bytes;                /* of the repository, which stands in target behind "/v2/" */
};

/* 0 or -EINVAL with reterr, which says what is no image name. */
MUST_CHECK int doctor_image_parse(const struct conf *c, struct strview text, struct doctor_image *ret, struct err *reterr);

/* The repository as the pod spec has it; points into i. */
struct strview doctor_image_repository(const struct doctor_image *i);
/* localhost, 127.0.0.0/8, [::1], with or without port. */
bool doctor_image_is_local(const struct doctor_image *i);
/* The port of its host; 80 when it has none. */
unsigned doctor_image_port(const struct doctor_image *i);

#endif
