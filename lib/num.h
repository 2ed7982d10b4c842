/* Strict reading of numbers: the whole text must be one, no sign, no spaces unless said; and writing them.  Any process. */
#ifndef NUM_H
#define NUM_H

#include <stdint.h>

#include "strview.h"
#include "cleanup.h"

/* Decimal digits only.  0; -EINVAL: not a number; -ERANGE: more than max. */
MUST_CHECK int num_u64(struct strview s, uint64_t max, uint64_t *ret_value);

/* A size: digits and an optional K, M or G (1024, 1024^2, 1024^3).  0, -EINVAL, -ERANGE (> UINT64_MAX). */
MUST_CHECK int num_size(struct strview s, uint64_t *ret_bytes);

/* A duration as systemd.time(7) writes it: a sum of number+unit (us is refused: nothing here is that short;
 * ms, s/sec/second(s), m/min/minute(s), h/hr/hour(s), d/day(s)), spaces between allowed, a bare number is
 * seconds; fractions like 1.5s are allowed.  0, -EINVAL, -ERANGE (> 100 years). */
MUST_CHECK int num_duration(struct strview s, uint64_t *ret_ms);

#define NUM_DIGITS 20 /* of UINT64_MAX */

/* Writes n in decimal, without a terminator; the number of digits.  For what is written once a request: printf costs ten
 * times as much. */
size_t num_put(char dst[NUM_DIGITS], uint64_t n);

#endif
