/* The Date field (RFC 9110 5.6.7).  Worker. */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include <stdint.h>

#define HTTP_DATE_MAX 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and its terminator */

/* Writes the IMF-fixdate of wall_ms (milliseconds since 1970).  One second is rendered once. */
void http_date(uint64_t wall_ms, char dst[HTTP_DATE_MAX]);

#endif
