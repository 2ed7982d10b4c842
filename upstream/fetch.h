/* One exchange with an upstream: from the queue for a connection to the last byte of the body.  Worker (and
 * the keeper's probes).  What the request's views point at must stay until source_free; the array of fields
 * is copied. */
#ifndef FETCH_H
#define FETCH_H

#include "conf.h"
#include "heritage.h"
#include "loop.h"
#include "source.h"

struct upstream; /* all pools and queues of one process (upstream.h) */

struct fetch_request {
	const struct conf_registry *registry;
	const struct conf_host *at;     /* one of its other hosts; NULL = the registry itself */
	bool https;                     /* of the URL that led to `at`; the registry itself has its own scheme */
	enum stats_route route;         /* ROUTE_TOKEN: redirects are not followed */
	enum http_method method;        /* HTTP_GET, HTTP_HEAD, or HTTP_POST with a body */
	struct strview path;            /* path and query as the upstream shall see it; begins with '/' */
	/* End-to-end fields, filtered and in order: Accept lines, Authorization, Range, ...; never Host,
	 * Connection, Proxy-*, SAP-*: those are the fetch's own. */
	const struct http_field *field;
	unsigned fields;
	struct strview id;              /* for logs; sent as X-Request-Id when field has none */
	bool urgent;                    /* small object (manifest, tag list): ahead of layers in the queue */
	bool anonymous;                 /* Authorization and Cookie of field stay here */
	bool login;                     /* where the relay has credentials of its own for the registry, those are shown instead */
	struct strview repository;      /* which those are for; empty = none */
	struct strview body;            /* of a POST: a form; stays until source_free */
	/* Hears of every final head that comes, those of redirects, errors and later attempts included; NULL = nobody does.  The
	 * head lives for the call. */
	void (*heard)(void *by, const struct http_head *head);
	void *by;
};

/* Begins an exchange.  fn is never called from within.  NULL: out of memory (errno-like text in reterr). */
struct source *fetch_start(struct upstream *u, const struct fetch_request *rq, source_fn *fn,
                           struct err *reterr);

/* For logs and access lines; valid while the source lives. */
struct fetch_facts {
	const struct conf_proxy *proxy;
	bool reused;                 /* went over a pooled connection */
	unsigned tries;              /* connections used */
	unsigned redirects;          /* followed */
	const struct conf_host *at;  /* who was asked last; NULL = the registry itself */
	uint64_t connect_ms;         /* of the last dial; 0 when reused */
	uint64_t first_byte_ms;      /* from start to the head */
	unsigned upstream_status;    /* of the last answer; 0 = none came */
	unsigned resumes;            /* how often a body that broke off was gone on with */
	uint64_t resumed_at;         /* where in the whole, the last time */
	uint64_t skipped;            /* bytes fetched again because a range was ignored */
	unsigned parks;              /* how often the client took nothing for stall_grace */
};
void fetch_facts(const struct source *s, struct fetch_facts *ret);

#endif
