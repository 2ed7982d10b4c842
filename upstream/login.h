/* The relay's own credentials for one registry, as one process uses them: the grants of its repositories, and whether the
 * registry takes these credentials at all.  Who guesses passwords gets accounts locked: credentials that were refused are
 * shown again only after a while.  Worker and keeper. */
#ifndef LOGIN_H
#define LOGIN_H

#include "err.h"
#include "grant.h"

struct conf_registry;
struct upstream;

#define LOGIN_GRANTS_KEPT  256   /* unused ones; the one not used for longest goes */
#define LOGIN_REJECTED_MS  60000 /* until refused credentials are shown again */

struct login {
	struct upstream *upstream;
	const struct conf_registry *registry; /* has a conf_login */
	struct list grants;
	unsigned count;
	uint32_t serial;   /* the last one given out */
	bool worked;       /* they were taken once: a refusal is the repository's affair */
	/* When not: */
	uint64_t rejected_until_ms;
	char rejected[CLASSIFY_DETAIL];
};

/* NULL with reterr: no memory.  Both stay borrowed. */
struct login *login_new(struct upstream *u, const struct conf_registry *r, struct err *reterr);
/* No grant may be held.  NULL is nothing. */
void login_free(struct login *l);

/* The grant of a repository, held until login_release.  NULL: no memory. */
struct grant *login_hold(struct login *l, struct strview repository);
void login_release(struct grant *g);

/* The credentials themselves were refused (detail says by whom and how), or taken. */
void login_rejected(struct login *l, const char *detail);
void login_worked(struct login *l);
/* True: they are not shown for now. */
bool login_is_rejected(const struct login *l);

#endif
