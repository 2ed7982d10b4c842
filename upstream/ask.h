/* The request head as it leaves for the proxy: rebuilt from parsed parts, never copied. */
#ifndef ASK_H
#define ASK_H

#include "buf.h"
#include "fetch.h"
#include "proxy_token.h"

/* The connectivity proxy takes no longer request line or header line (SAP documents it for the HTTP
 * proxy). */
#define ASK_LINE_MAX 8192
/* What is built at most; a longer head is refused. */
#define ASK_HEAD_MAX (60 * 1024)

/* True when every line and the whole fit.  False: *ret_what names what is too long (static text, or points
 * into rq).  Behind no proxy only the whole counts. */
bool ask_fits(const struct fetch_request *rq, struct strview *ret_what);

/* Appends the head to b; method may differ from rq's (a HEAD asked again as GET); token is what the proxy wants, NULL =
 * nothing; authorization is what the registry wants of us, NULL = nothing.  The body of a POST is not part of it.  False: no room. */
MUST_CHECK bool ask_build(struct buf *b, const struct fetch_request *rq, enum http_method method, const struct proxy_token *token,
                          const char *authorization);

#endif
