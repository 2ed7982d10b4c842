/* Request targets: what passes is written anew as a clean path below /v2/ of a known registry, or is a token request. */
#include "conf.h"
#include "fuzz.h"
#include "path.h"
#include "route.h"
#include "token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[ROUTE_PATH_MAX(16384)];
	struct strview all = fuzz_text(data, size), host = SV_NONE, rest, clean = SV_NONE;
	struct route r;

	if (size > 16384 || !sv_cut(&all, '\n', &host))
		return 0;
	if (!route_find(fuzz_conf(), all, host, &r)) {
		FUZZ_ASSERT(r.error != ERROR_NONE && memchr(r.detail, '\0', sizeof(r.detail)));
		return 0;
	}
	FUZZ_ASSERT(r.registry);
	fuzz_assert_within(r.repository, all);
	fuzz_assert_within(r.query, all);
	const size_t n = route_path(&r, path);
	FUZZ_ASSERT(n <= ROUTE_PATH_MAX(all.n) && n > 0);
	rest = sv_make(path, n);
	(void)sv_cut(&rest, '?', &clean);
	FUZZ_ASSERT(clean.p[0] == '/' && !sv_contains(clean, SV("/.")) && !sv_contains(clean, SV("//")) && !sv_contains(clean, SV("%")));
	if (r.kind == ROUTE_TOKEN)
		return 0;
	FUZZ_ASSERT(sv_starts(clean, SV("/v2/")));
	FUZZ_ASSERT(!r.repository.n || path_is_name(r.repository));
	FUZZ_ASSERT(r.registry != fuzz_conf()->registry[0] || !sv_starts(r.repository, SV("secret/"))); /* denied */
	return 0;
}
