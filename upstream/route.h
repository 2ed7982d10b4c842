/* What a request asks for and which registry has it.  The target is taken apart, every part is checked, and
 * the path that goes upstream is written from the parts: what was checked and what is sent cannot differ.
 * Worker and keeper. */
#ifndef ROUTE_H
#define ROUTE_H

#include "conf.h"
#include "errors.h"
#include "stats.h"
#include "strview.h"

#define ROUTE_DETAIL_MAX 128

struct route {
	enum stats_route kind;
	const struct conf_registry *registry; /* NULL when refused before one was chosen */
	struct strview repository;            /* without the registry's prefix; empty for /v2/ */
	struct strview reference;             /* tag or digest; of a token request the encoded realm */
	bool https;                 /* of the URL that named it */
	const struct conf_host *at;           /* token requests: which of its token_hosts; NULL = the registry */
	bool prefixed;                        /* the registry's prefix was taken off the repository */
	struct strview query;                 /* as the client sent it; route_path leaves `ns` out */
	char ns[URL_AUTHORITY_MAX];           /* of the query, decoded and checked; "" = none */
	enum error_id error;                  /* ERROR_NONE = it may pass */
	bool ends;                     /* with error: what follows on the connection must not be read */
	char detail[ROUTE_DETAIL_MAX]; /* of the error, for its text */
};

/* Takes a request target apart, also one of a token request (token.h): origin-form, or absolute-form with the authority of the Host field; and
 * chooses the registry: by `ns`, else by path prefix (the longest; stripped), else by Host, else the default
 * one.  Then asks its rules.  Views of *ret point into target.  True when it may pass; false: ret->error says
 * why not. */
bool route_find(const struct conf *c, struct strview target, struct strview host, struct route *ret);

/* Bytes that route_path needs at most, for a target of n bytes. */
#define ROUTE_PATH_MAX(n) ((n) + sizeof("/v2/"))

/* Writes the path and query for the upstream into dst[ROUTE_PATH_MAX(target.n)]; its length.  The query is
 * kept for lists (tags, referrers) and token requests only. */
size_t route_path(const struct route *r, char *dst);

#endif
