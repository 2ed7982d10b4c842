/* What a pull reads next, as a manifest says it: of an index the manifest of a node's platform, of a manifest its first layer.
 * OCI image-spec (image index, image manifest) and docker's schema 2, which have the same keys.  Keeper. */
#ifndef DOCTOR_MANIFEST_H
#define DOCTOR_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "strview.h"

#define DOCTOR_MANIFEST_MAX (4u << 20) /* bytes: what registries take (distribution-spec, Pushing Manifests) */
#define DOCTOR_DIGEST_MAX   144

struct doctor_manifest {
	bool index;                     /* digest is that of the manifest for a platform; else of a blob */
	char digest[DOCTOR_DIGEST_MAX]; /* "" = it names none: a manifest without layers and configuration */
	char platform[64];              /* of an index: "linux/amd64" */
	unsigned layers;
	uint64_t bytes;                 /* of all layers */
};

/* 0, or -EINVAL: it is neither. */
MUST_CHECK int doctor_manifest_read(struct strview text, struct doctor_manifest *ret);

#endif
