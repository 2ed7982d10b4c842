/* The inside of a walk, for the files of its machine (doctor_walk*.c).  Keeper. */
#ifndef DOCTOR_WALK_IMPL_H
#define DOCTOR_WALK_IMPL_H

#include "doctor_exchange.h"
#include "doctor_manifest.h"
#include "doctor_walk.h"
#include "lookup.h"
#include "route.h"

enum doctor_go {
	DOCTOR_GO_ON,   /* to the step behind */
	DOCTOR_GO_WAIT, /* for the exchange or the lookup */
	DOCTOR_GO_NEXT, /* this registry is done */
	DOCTOR_GO_AGAIN /* the step was set anew */
};

struct doctor_walk {
	struct loop *loop;
	const struct heritage *h;
	struct upstream *upstream;
	struct doctor_order order;
	doctor_walk_fn *fn;
	void *owner;
	enum doctor_step step;      /* written by doctor_enter alone */
	uint64_t entered_ms;
	struct timer deadline, total;
	struct deferred start, end;
	bool over;                  /* the result is told */
	struct lookup lookup;
	struct doctor_exchange exchange;
	struct doctor_report report;
	char id[32];                /* of its requests */

	/* of the registry that is visited */
	unsigned turn;              /* of conf->registry, without an image */
	const struct conf_registry *registry;
	bool open;                  /* /v2/ wants no login; a repository may */
	struct offer offer;         /* how to log in, unless open */

	/* of the image */
	struct doctor_image image;
	struct route route;         /* its views point into image */
	struct doctor_secret secret;
	char *bearer;               /* "Bearer ...", secret; NULL = none */
	char path[DOCTOR_TARGET_MAX + 2 * CHALLENGE_REALM_MAX]; /* of the exchange that runs */
	struct doctor_manifest manifest;
	char platform[sizeof(((struct doctor_manifest *)0)->platform)]; /* of the index; "" = there was none */
	unsigned indexes;           /* met on the way to the manifest */
};

/* --- doctor_walk.c: findings ------------------------------------------------------------------------------------ */

void doctor_enter(struct doctor_walk *w, enum doctor_step step);
/* A hop that is well, skipped or unknown; the format makes the text. */
void doctor_found(struct doctor_walk *w, enum doctor_step step, enum doctor_state state, uint64_t ms, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* A broken hop.  host, other: as in struct doctor_finding. */
void doctor_broken(struct doctor_walk *w, enum doctor_step step, enum error_id id, const char *text, const char *host, const char *other);
/* The same with the row's own text; vhost, path, detail may be NULL. */
void doctor_broken_row(struct doctor_walk *w, enum doctor_step step, enum error_id id, const char *vhost, const char *path,
                       const char *detail);
/* Since the step was entered. */
uint64_t doctor_step_ms(const struct doctor_walk *w);
/* Asks for w->path at the registry or one of its hosts, with the authorization unless NULL; the answer goes to
 * doctor_judge[step]. */
void doctor_ask(struct doctor_walk *w, enum stats_route route, const struct conf_host *at, bool https, const char *authorization,
                const struct http_field *more, size_t cap, bool enough);

/* --- the steps: what begins each, and what judges its answer (NULL = it has none) ------------------------------- */

typedef enum doctor_go doctor_step_fn(struct doctor_walk *w);

/* doctor_way.c */
doctor_step_fn doctor_image_begin, doctor_secret_begin, doctor_name_begin, doctor_ping_begin, doctor_ping_judge, doctor_challenge_begin;
doctor_step_fn doctor_name_judge;
/* doctor_pull.c */
doctor_step_fn doctor_token_begin, doctor_token_judge, doctor_manifest_begin, doctor_manifest_judge, doctor_blob_begin,
	doctor_blob_judge;

#endif
