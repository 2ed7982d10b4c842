/* Which repositories of a registry may be pulled: the globs of `allow` and `deny`.  Worker and keeper.
 * '*' is any text within a component, '**' any text across components; all else is literal.  The name is
 * compared as a whole and after the registry's prefix is stripped, so "team/" never covers "team-evil/". */
#ifndef POLICY_H
#define POLICY_H

#include "conf.h"
#include "strview.h"

bool policy_glob(struct strview pattern, struct strview name);

/* True when the name may be pulled.  False: rule[cap] names the rule that refused it, in the file's words. */
bool policy_allows(const struct conf_registry *r, struct strview name, char *rule, size_t cap);

#endif
