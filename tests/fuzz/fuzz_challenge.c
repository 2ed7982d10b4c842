/* Challenges: after rewriting every Bearer realm is an address of the relay, or the value was no list of challenges and is as it
 * was; reading offers never goes wrong. */
#include "conf.h"
#include "fuzz.h"
#include "offer.h"
#include "realm.h"
#include "token_server.h"

#define HOST "localhost:30085"

static void check_realms(struct strview value)
{
	static const char relay[] = "http://" HOST "/_regrelay/token/";
	struct challenge_reader r;
	struct challenge_param p;
	enum challenge_item item;
	char realm[8192];

	challenge_begin(&r, value);
	while ((item = challenge_next(&r, &p)) == CHALLENGE_SCHEME || item == CHALLENGE_PARAM) {
		if (item == CHALLENGE_SCHEME || !sv_eq_nocase(r.scheme, SV("Bearer")) || !sv_eq_nocase(p.name, SV("realm")))
			continue;
		const ssize_t n = challenge_value(&p, realm, sizeof(realm));
		FUZZ_ASSERT(n > 0 && sv_starts(sv_make(realm, (size_t)n), sv_str(relay)));
	}
	FUZZ_ASSERT(item == CHALLENGE_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t mem[1 << 20];
	static struct http_head head;
	static struct offer offer;
	const struct realm_at at = { fuzz_conf()->registry[0], false, SV(HOST) };
	const struct strview value = fuzz_text(data, size);
	struct buf b = { .mem = mem, .cap = sizeof(mem) };
	struct challenge_reader r;
	struct challenge_param p;
	struct token_server server;
	enum challenge_item item;

	if (size > 8192)
		return 0;
	challenge_begin(&r, value);
	do {
		item = challenge_next(&r, &p);
		if (item == CHALLENGE_PARAM)
			fuzz_assert_within(p.written, value);
	} while (item == CHALLENGE_SCHEME || item == CHALLENGE_PARAM);
	FUZZ_ASSERT(realm_put(&b, value, &at));
	if (item == CHALLENGE_BAD)
		FUZZ_ASSERT(sv_eq(buf_view(&b), value));
	else
		check_realms(buf_view(&b));
	head.fields = 0;
	http_head_add(&head, SV("WWW-Authenticate"), value);
	offer_read(&head, &offer);
	FUZZ_ASSERT(offer.realm.n <= sizeof(offer.realm.text));
	(void)token_server_find(at.registry, sv_make(offer.realm.text, offer.realm.n), &server);
	return 0;
}
