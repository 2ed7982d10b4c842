/* What one repository of a registry is given out for, as the registry said it, and what the relay has to show: its own
 * credentials (conf_login), or a token that their token server gave for them.  One process; a login (login.h) keeps its
 * grants.  RFC 7617, RFC 6750, distribution's token authentication. */
#ifndef GRANT_H
#define GRANT_H

#include "classify.h"
#include "errors.h"
#include "http_head.h"
#include "list.h"

struct conf_host;
struct login;
struct source;

#define GRANT_ANSWER_MAX (64 * 1024) /* bytes of a token server's answer */

enum grant_kind {
	GRANT_OPEN,  /* the registry has not asked for anything: nothing is shown */
	GRANT_OWN,   /* the file's own value: Basic, or a Bearer token that came with it */
	GRANT_TOKEN  /* a token of the token server that its challenge named */
};

struct grant {
	struct list node;    /* in login->grants, used last first */
	struct login *login;
	unsigned users;      /* fetches that hold it */
	struct list waiting; /* struct fetch: for the token */
	enum grant_kind kind;
	uint32_t serial;     /* of what there is to show, another one for each; 0 = nothing */
	/* GRANT_TOKEN: the request for a token, and the last one */
	bool https;                 /* how it is reached, of the realm's URL */
	const struct conf_host *at; /* the token server; NULL = the registry itself */
	char *path;          /* with query */
	char *value;         /* "Bearer ..."; secret; NULL = none */
	uint64_t until_ms;   /* the value is not shown after it */
	struct source *asking;
	char *answer;        /* as far as it came; GRANT_ANSWER_MAX */
	size_t answer_bytes;
	/* why there is nothing to show */
	uint64_t failed_until_ms; /* no new attempt before; 0 = did not fail */
	enum error_id error;
	char detail[CLASSIFY_DETAIL];
	char repository[];   /* "" = none: /v2/ */
};

enum grant_state {
	GRANT_READY, /* ask, and show grant_value if there is one */
	GRANT_WAIT,  /* a token is on its way: waiting is looked at when it is there or not */
	GRANT_FAILED /* error and detail say why */
};

/* NULL: no memory. */
struct grant *grant_new(struct login *l, struct strview repository);
/* Nobody may hold it.  Ends what it asks. */
void grant_free(struct grant *g);

/* Begins to ask for a token where one is needed. */
enum grant_state grant_look(struct grant *g);
/* What to show in Authorization; NULL = nothing. */
const char *grant_value(const struct grant *g);

/* The registry answered h, a 401, to what was shown (its serial; 0 = nothing).  True: look again, something else can be
 * shown now.  False: it cannot; error and detail say why. */
bool grant_challenged(struct grant *g, uint32_t shown, const struct http_head *h);
/* It answers 401 whatever token is shown: this repository is none of these credentials'.  Sets error and detail. */
void grant_refused(struct grant *g);

#endif
