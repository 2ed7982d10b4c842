/* Where a redirect of a registry leads to, and whether the configuration lets us follow.  Worker. */
#ifndef REDIRECT_H
#define REDIRECT_H

#include "conf.h"
#include "http_head.h"

#define REDIRECT_HOPS_MAX 5

enum redirect_verdict {
	REDIRECT_FOLLOW,   /* ret says where to */
	REDIRECT_PASS,     /* the client shall go there itself (redirect_pass) */
	REDIRECT_UNLISTED, /* a host that no key names; ret->host says which */
	REDIRECT_PLAIN,    /* from https to http, to ret->host; only where we speak TLS ourselves */
	REDIRECT_BAD       /* no Location, two, or none that is an absolute path or an http(s) URL */
};

struct redirect {
	const struct conf_host *at;   /* NULL = the registry itself */
	bool https;                   /* of the URL */
	struct strview path;          /* with query; points into the head */
	char host[URL_AUTHORITY_MAX]; /* as named, for texts */
};

/* 301, 302, 303, 307, 308 (RFC 9110 15.4): the statuses that clients of a registry follow. */
bool redirect_is(unsigned status);

/* from: whom the answer came from (NULL = the registry), https: by what: what a Location without a host means.  A host is the registry's
 * own by name and port, whatever the scheme: behind a connectivity proxy the Cloud Connector does the TLS. */
enum redirect_verdict redirect_resolve(const struct conf_registry *r, const struct conf_host *from, bool https,
                                       const struct http_head *h, struct redirect *ret);

#endif
