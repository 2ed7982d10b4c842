/* The head of an answer as it comes from the upstream: gate and parser, interim answers swallowed. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "conn.h"
#include "http_wire.h"

#define RESPONSE_INTERIM_MAX 8 /* 1xx heads before the final one */

struct response {
	struct wire wire;
	unsigned interim;
	bool begun;            /* at least one byte of an answer has come */
	bool head_request;
	const char *why;       /* static text after RESPONSE_BAD */
	struct http_head head; /* after RESPONSE_DONE; its views point into the connection's buffer; last, for its table is large */
};

enum response_result {
	RESPONSE_MORE,  /* wait for the transport */
	RESPONSE_DONE,
	RESPONSE_BAD,   /* not HTTP as we take it; the connection is unfit for anything */
	RESPONSE_BROKE, /* ended or reset before the head was complete: *ret_errno, 0 = end */
	RESPONSE_MEMORY /* no memory for a buffer */
};

/* For the answer to the request just sent. */
void response_init(struct response *r, bool head_request);
/* Reads what is there. */
enum response_result response_read(struct response *r, struct conn *c, int *ret_errno);

#endif
