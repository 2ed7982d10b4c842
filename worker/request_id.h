/* Ids that tie the lines of one request together, here and at the registry.  Worker. */
#ifndef REQUEST_ID_H
#define REQUEST_ID_H

#include "strview.h"

#define REQUEST_ID_MADE 33 /* bytes of a made id with its terminator */

/* True when a client's x-request-id may be taken over: 1..128 bytes of [A-Za-z0-9._:/+=-]. */
bool request_id_ok(struct strview s);
/* 16 random bytes as hex. */
void request_id_make(char dst[REQUEST_ID_MADE]);

#endif
