/* Whose error is it?  The connectivity proxy and the Cloud Connector answer in the registry's place, and
 * their status codes are those a registry uses; only the text of the body tells them apart. */
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "errors.h"
#include "http_head.h"

#define CLASSIFY_TEXT_MAX 4096 /* bytes of a body that are looked at */
#define CLASSIFY_DETAIL   96   /* a detail with its terminator */

enum classify_need {
	CLASSIFY_PASS,  /* the registry's answer as it is */
	CLASSIFY_JSON,  /* says it is JSON: the registry's when its body does; to a HEAD it is believed */
	CLASSIFY_BODY   /* suspect: needs the text */
};

struct verdict {
	enum error_id id;  /* ERROR_NONE: the registry's answer */
	bool retry;        /* may be gone a moment later */
	bool bound;        /* as on a connection bound to something else: if used, ask on a fresh one */
};

/* What must be known of the body.  For HEAD the text can only be had by asking again with GET. */
enum classify_need classify_head(const struct http_head *h, enum stats_route route);

/* Judges an answer that classify_head has doubts about, by the first bytes of its body (may be empty). */
struct verdict classify_text(const struct http_head *h, enum stats_route route, struct strview text);

/* The same where no proxy can answer in the registry's place, in a tunnel or without any: whoever uses a proxy's words there is
 * not believed. */
struct verdict classify_from_server(struct verdict v);

/* True for a body that may be an OCI error: JSON by its type and by its first byte. */
bool classify_is_json(const struct http_head *h, struct strview text);

/* "503 Service Unavailable: first words" into dst[CLASSIFY_DETAIL]: for errors whose text names the
 * answer. */
void classify_detail(const struct http_head *h, struct strview text, char *dst);

#endif
