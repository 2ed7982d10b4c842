/* JSON with tokens and credentials: what token servers answer, and what .dockerconfigjson and service bindings say. */
#include <unistd.h>

#include "conf.h"
#include "conf_binding.h"
#include "conf_login.h"
#include "fuzz.h"
#include "token_answer.h"

static void check_answer(enum token_answer_kind kind, struct strview body)
{
	static struct token t;
	uint64_t life_ms = 0;
	char words[64];
	struct err why;

	memset(&t, 0, sizeof(t));
	if (token_answer_read(kind, body, 1000000000000ull, &t, &life_ms, &why) == 0)
		FUZZ_ASSERT(life_ms > 0 && t.n <= TOKEN_MAX && token_is_ok(sv_make(t.bytes, t.n)));
	token_answer_why(body, words, sizeof(words));
	for (const char *p = words; *p; p++)
		FUZZ_ASSERT(*p >= 0x20 && *p < 0x7f);
}

static void check_files(const uint8_t *data, size_t size)
{
	struct conf_login *login = NULL;
	struct conf_binding binding;
	struct err why;
	char path[64], text[] = "C";
	struct conf_proxy proxy = { .credentials = path, .token_resource = text + 1 };
	const int fd = fuzz_file(data, size, path);

	if (conf_login_read(path, &fuzz_conf()->registry[0]->host, &login, &why) == 0) {
		FUZZ_ASSERT(sv_starts(sv_str(login->value), login->bearer ? SV("Bearer ") : SV("Basic ")));
		for (const char *p = login->value; *p; p++)
			FUZZ_ASSERT(*p >= 0x20 && *p < 0x7f);
		conf_login_free(login);
	}
	for (int shown = 0; shown < 2; shown++) {
		proxy.client_chain = proxy.client_key = shown ? text : NULL;
		if (conf_binding_read(&proxy, &binding, &why) < 0)
			continue;
		FUZZ_ASSERT(binding.at.port && binding.path[0] == '/' && binding.client_id[0]);
		FUZZ_ASSERT(!binding.certificate == !binding.key);
		FUZZ_ASSERT(shown ? binding.certificate != NULL : !binding.client_secret != !binding.certificate);
		conf_binding_free(&binding);
	}
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 128 * 1024)
		return 0;
	check_answer(TOKEN_ANSWER_OAUTH, fuzz_text(data, size));
	check_answer(TOKEN_ANSWER_REGISTRY, fuzz_text(data, size));
	check_files(data, size);
	return 0;
}
