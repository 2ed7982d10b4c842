/* Which bytes of a whole are wanted, and whether an answer brings them: the arithmetic of going on with a body that broke
 * off (RFC 9110 14: byte ranges, Content-Range).  Offsets count in the whole, decoded of its framing; `end` is one past the
 * last byte.  No state beside the struct, no clock, no socket. */
#ifndef RANGE_H
#define RANGE_H

#include "http_head.h"

#define RANGE_UNKNOWN   UINT64_MAX
#define RANGE_TEXT_MAX  64         /* "bytes=N-M" and the terminator */
#define RANGE_BYTES_MAX INT64_MAX  /* of a number in Content-Range: sums cannot wrap */

/* One Content-Range. */
struct range_content {
	bool unsatisfied;     /* a star in place of A-B: no such range is to be had; first and end mean nothing */
	uint64_t first, end;  /* first < end */
	uint64_t total;       /* RANGE_UNKNOWN = "*"; otherwise >= end */
};

/* Strictly "bytes A-B/T", where a star may stand for T, or for A-B (with 416); the unit in any case, one space.  0 or
 * -EINVAL. */
MUST_CHECK int range_parse(struct strview value, struct range_content *ret);

/* What a client is being given.  Invariant: next <= end <= total, as far as they are known. */
struct range {
	uint64_t next;  /* the byte it gets next */
	uint64_t end;   /* where its answer ends; RANGE_UNKNOWN = with its framing */
	uint64_t total; /* of the whole; RANGE_UNKNOWN */
};

/* From the head that the client gets, before any byte of its body.  False: the bytes after it have no place in a whole that
 * could be asked for again (multipart/byteranges, a content coding, a status other than 200 and 206, a body that ends with
 * its connection or is none, a Content-Range that contradicts the length). */
MUST_CHECK bool range_begin(struct range *r, const struct http_head *h);

/* The value of Range for what is missing, at most `most` bytes of it (RANGE_UNKNOWN = all).  There must be something
 * missing, or nobody knows (next < end). */
void range_text(const struct range *r, uint64_t most, char dst[RANGE_TEXT_MAX]);

/* How many bytes are missing; RANGE_UNKNOWN. */
static inline uint64_t range_left(const struct range *r)
{
	return r->end == RANGE_UNKNOWN ? RANGE_UNKNOWN : r->end - r->next;
}

enum range_verdict {
	RANGE_GOES_ON,  /* the body of the answer goes on where the client is, after `skip` bytes */
	RANGE_COMPLETE, /* there is nothing after the byte the client has last (416) */
	RANGE_ANOTHER,  /* not what was asked for; `why` says what contradicts */
};

struct range_answer {
	uint64_t skip;    /* bytes of its body that the client has (a 200 begins at 0) */
	uint64_t until;   /* where its body ends in the whole; RANGE_UNKNOWN */
	const char *why;  /* static text after RANGE_ANOTHER */
};

/* Judges the head of an answer of status 200, 206 or 416 to a request with range_text.  RANGE_GOES_ON: r has learnt total
 * and end when they were unknown; *ret is set.  RANGE_COMPLETE: r->end is r->next. */
enum range_verdict range_judge(struct range *r, const struct http_head *h, struct range_answer *ret);

#endif
