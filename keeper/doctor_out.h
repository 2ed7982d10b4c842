/* What a client of the doctor has yet to take: an HTTP answer, whole or line by line, in memory up to a limit.  Keeper. */
#ifndef DOCTOR_OUT_H
#define DOCTOR_OUT_H

#include <jansson.h>
#include <stdbool.h>

#include "transport.h"

#define DOCTOR_OUT_MAX (1u << 20) /* bytes of an answer */

struct doctor_out {
	char *bytes; /* owned; NULL = none so far */
	size_t n, sent;
	bool failed; /* memory was short, or the answer too long: what is here is not all */
};

void doctor_out_put(struct doctor_out *o, const char *bytes, size_t n);
/* The head of an answer; length < 0: lines, until the end of the connection. */
void doctor_out_head(struct doctor_out *o, unsigned status, long length);
/* A document and a line's end, with a head unless status is 0.  Takes document over; NULL: memory was short. */
void doctor_out_document(struct doctor_out *o, unsigned status, json_t *document);
/* 1 = all is sent, 0 = the client has no room, -1 = it is gone, or it could not be told all. */
MUST_CHECK int doctor_out_flush(struct doctor_out *o, struct transport *t);
void doctor_out_done(struct doctor_out *o);

#endif
