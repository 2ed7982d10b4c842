/* Which header fields pass: those of a request on their way to the upstream, those of an answer on their way
 * to the client.  Heads are built anew from what passes here, never copied.  Worker. */
#ifndef FIELDS_H
#define FIELDS_H

#include "http_head.h"

/* A request field passes unless it belongs to the connection, to the path behind us (Proxy-*, SAP-*,
 * X-Forwarded-*, Forwarded), to what the relay says itself (Host, Accept-Encoding, X-Request-Id), to a body,
 * or has a '_' in its name, which some servers read as '-' (so that it could stand for any of those).
 * Repeated fields stay repeated. */
bool fields_request_passes(const struct http_head *h, struct strview name);

/* Puts the fields of h that pass into dst[cap], in order.  Their number (at most cap). */
unsigned fields_request(const struct http_head *h, struct http_field *dst, unsigned cap);

/* The same for a token request: Authorization, Accept and User-Agent, nothing else. */
unsigned fields_token(const struct http_head *h, struct http_field *dst, unsigned cap);

/* An answer's field passes only when a registry client has a use for it.  Content-Length and framing are not
 * among them: the relay writes its own. */
bool fields_answer_passes(const struct http_head *h, struct strview name);

#endif
