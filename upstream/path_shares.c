/* Does something between us and the connectivity proxy share connections?  Worker and keeper. */
#include "path_shares.h"

static bool lately(uint64_t then_ms, uint64_t now_ms)
{
	return then_ms && now_ms - then_ms < PATH_SHARES_MS;
}

static struct pool_key *own(struct upstream *u, const struct pool_key *key)
{
	return &u->key[key - u->key];
}

void path_seen_good(struct upstream *u, const struct pool_key *key)
{
	own(u, key)->good_ms = loop_now(u->loop);
}

bool path_seen_denied(struct upstream *u, const struct pool_key *key, const struct verdict *v)
{
	const uint64_t now_ms = loop_now(u->loop);
	struct pool_key *k = own(u, key);
	struct pool *p = key->pool;

	if (v->id == ERROR_MAPPING_MISSING) {
		const bool back_and_forth = lately(k->denied_ms, now_ms) && k->good_ms > k->denied_ms;
		k->denied_ms = now_ms;
		if (!back_and_forth && !lately(p->shared_ms, now_ms))
			return false;
	} else if (v->id != ERROR_PATH_SHARES) {
		return false;
	}
	p->shared_ms = now_ms;
	return true;
}
