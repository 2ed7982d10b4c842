/* What the admin endpoint answers: probes and metrics.  Keeper.  Nothing private is in any of them. */
#ifndef PAGES_H
#define PAGES_H

#include "heritage.h"

#define PAGE_MAX (1u << 20) /* bytes of a body: all series of 64 upstreams take less than half of it */

struct page {
	unsigned status;
	const char *reason;
	const char *type; /* Content-Type */
	char *body;       /* owned: free() */
	size_t n;
};

/* Makes the page of a GET or HEAD for target (origin or absolute form, with its query).  0, or -ENOMEM: *ret is
 * untouched.  A target that conf->admin does not expose is a 404. */
MUST_CHECK int page_make(const struct heritage *h, struct strview target, struct page *ret);
/* A page that says `text`, for what never gets to page_make. */
MUST_CHECK int page_plain(unsigned status, const char *reason, const char *text, struct page *ret);

#endif
