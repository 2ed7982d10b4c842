/* Which repositories of a registry may be pulled: the globs of `allow` and `deny`.  Worker and keeper. */
#include "policy.h"

#include <stdio.h>

/* Where to go on after a mismatch: let the last star take one more byte.  Only the last star of each kind
 * matters: whatever an earlier one would take in addition, the last one can reach as well ('*' within its
 * component). */
struct retry {
	bool set;
	size_t pattern, name;
};

static bool retry_star(struct retry *r, struct strview name, bool across)
{
	if (!r->set || r->name >= name.n || (!across && name.p[r->name] == '/'))
		return false;
	r->name++;
	return true;
}

bool policy_glob(struct strview pattern, struct strview name)
{
	struct retry star = { 0 }, stars = { 0 };
	size_t p = 0, n = 0;

	for (;;) {
		if (p + 1 < pattern.n && pattern.p[p] == '*' && pattern.p[p + 1] == '*') {
			p += 2;
			stars = (struct retry){ true, p, n };
			star.set = false;
		} else if (p < pattern.n && pattern.p[p] == '*') {
			p++;
			star = (struct retry){ true, p, n };
		} else if (p < pattern.n && n < name.n && pattern.p[p] == name.p[n]) {
			p++;
			n++;
		} else if (p == pattern.n && n == name.n) {
			return true;
		} else if (retry_star(&star, name, false)) {
			p = star.pattern;
			n = star.name;
		} else if (retry_star(&stars, name, true)) {
			p = stars.pattern;
			n = stars.name;
			star.set = false;
		} else {
			return false;
		}
	}
}

static const char *first_match(const struct conf_list *globs, struct strview name)
{
	for (unsigned i = 0; i < globs->count; i++)
		if (policy_glob(sv_str(globs->items[i]), name))
			return globs->items[i];
	return NULL;
}

bool policy_allows(const struct conf_registry *r, struct strview name, char *rule, size_t cap)
{
	const char *denied = first_match(&r->deny, name);

	if (denied) {
		(void)snprintf(rule, cap, "deny = %s", denied);
		return false;
	}
	if (r->allow.count == 0 || first_match(&r->allow, name))
		return true;
	(void)snprintf(rule, cap, "no allow of registry %s covers it", r->name);
	return false;
}
