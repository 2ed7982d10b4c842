/* What fuzz targets share.  A target reads one input and aborts when something is not as it must be; libFuzzer calls it, or
 * replay.c with the files of corpus/. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strview.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ASSERT(condition) \
	do { \
		if (!(condition)) { \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* The input as text. */
static inline struct strview fuzz_text(const uint8_t *data, size_t size)
{
	return sv_make((const char *)data, size);
}

/* Is part within whole? */
static inline void fuzz_assert_within(struct strview part, struct strview whole)
{
	if (part.n)
		FUZZ_ASSERT(part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* A file in memory with these bytes; its path in path[64].  The descriptor is the caller's. */
int fuzz_file(const uint8_t *data, size_t size, char path[64]);

/* A configuration with registries, token and redirect hosts; made once. */
struct conf;
const struct conf *fuzz_conf(void);

#endif
