/* The head of a relayed answer, built from the upstream's: its status, the fields that pass, our own framing.
 * Worker. */
#ifndef ANSWER_HEAD_H
#define ANSWER_HEAD_H

#include "buf.h"
#include "http_head.h"
#include "route.h"

enum answer_framing {
	ANSWER_NO_BODY,
	ANSWER_LENGTH,
	ANSWER_CHUNKED,
	ANSWER_CLOSE /* ends with the connection: length unknown and the client speaks HTTP/1.0 */
};

struct answer {
	const struct http_head *head; /* the upstream's */
	enum http_framing framing;    /* of the body that comes */
	uint64_t length;              /* with HTTP_BODY_LENGTH */
	bool to_head;                 /* it answers a HEAD */
	bool empty;                   /* the body that comes is kept from the client */
	unsigned minor;               /* the client's HTTP version */
	const struct route *route;    /* of the request: what challenges and links are rewritten for */
	bool tls;                     /* the client speaks TLS with us */
	struct strview host;          /* of the request; empty = none came */
	struct strview request_id;
	uint64_t wall_ms; /* for Date, when the upstream sent none */
	bool close;       /* the connection ends after it; ANSWER_CLOSE implies it */
};

enum answer_framing answer_framing(const struct answer *a);

/* Appends the head.  False (and nothing appended) when it does not fit. */
MUST_CHECK bool answer_head_put(struct buf *b, const struct answer *a);

#endif
