/* What the keeper knows of one name, and when it asks again.  Keeper. */
#include "known.h"

#include <assert.h>
#include <string.h>

static void publish(struct known *k, const char *error, uint64_t now_ms)
{
	names_publish(k->entry, k->state, k->address, k->count, error, now_ms);
}

void known_init(struct known *k, struct names_entry *entry, uint64_t now_ms)
{
	struct names_entry old;

	*k = (struct known){ .entry = entry, .state = NAMES_PENDING, .born_ms = now_ms };
	if (names_read(entry, &old) < 0) {
		publish(k, "", now_ms);
		return;
	}
	if (old.state == NAMES_GOOD && old.count > 0) {
		k->state = NAMES_GOOD;
		k->count = old.count;
		memcpy(k->address, old.address, old.count * sizeof(old.address[0]));
	} else if (old.state == NAMES_FAILED) {
		k->state = NAMES_FAILED;
	}
	publish(k, k->state == NAMES_FAILED ? old.error : "", now_ms);
}

static bool has(const struct names_address *set, unsigned count, const struct names_address *one)
{
	for (unsigned i = 0; i < count; i++)
		if (set[i].family == one->family && memcmp(set[i].bytes, one->bytes, one->family == 4 ? 4 : 16) == 0)
			return true;
	return false;
}

/* As sets: servers rotate their answers. */
static bool same_addresses(const struct known *k, const struct names_address *address, unsigned count)
{
	if (k->count != count)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (!has(k->address, k->count, &address[i]) || !has(address, count, &k->address[i]))
			return false;
	return true;
}

enum known_change known_good(struct known *k, const struct names_address *address, unsigned count, uint64_t now_ms)
{
	assert(count > 0);
	if (count > SHM_ADDRESSES)
		count = SHM_ADDRESSES;
	const bool first = k->count == 0, back = k->failures > 0, same = same_addresses(k, address, count);

	k->failures = 0;
	if (same && !back)
		return KNOWN_SAME;
	k->state = NAMES_GOOD;
	k->count = count;
	memcpy(k->address, address, count * sizeof(*address));
	publish(k, "", now_ms);
	return first ? KNOWN_FOUND : same ? KNOWN_BACK : KNOWN_MOVED;
}

enum known_change known_bad(struct known *k, const char *error, uint64_t now_ms)
{
	k->failures++;
	if (k->count == 0)
		k->state = NAMES_FAILED;
	publish(k, error, now_ms);
	if (k->failures > 1)
		return KNOWN_SAME;
	return k->count ? KNOWN_STALE : KNOWN_FAILED;
}

uint64_t known_pause_ms(const struct known *k, uint64_t ttl_ms, uint64_t now_ms)
{
	if (k->failures == 0)
		return ttl_ms < KNOWN_TTL_MIN_MS   ? KNOWN_TTL_MIN_MS
		       : ttl_ms > KNOWN_TTL_MAX_MS ? KNOWN_TTL_MAX_MS
		                                   : ttl_ms;
	if (k->count == 0 && now_ms - k->born_ms < KNOWN_EAGER_MS)
		return KNOWN_RETRY_MIN_MS;
	uint64_t pause = KNOWN_RETRY_MIN_MS;
	for (unsigned i = 1; i < k->failures && pause < KNOWN_RETRY_MAX_MS; i++)
		pause *= 2;
	return pause < KNOWN_RETRY_MAX_MS ? pause : KNOWN_RETRY_MAX_MS;
}
