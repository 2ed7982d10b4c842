/* URLs in realms and redirects: whatever they say, only configured hosts come out, and paths that can go into a request line. */
#include "conf.h"
#include "fuzz.h"
#include "redirect.h"
#include "token_server.h"

static void check_path(struct strview path)
{
	FUZZ_ASSERT(path.n == 0 || path.p[0] == '/');
	for (size_t i = 0; i < path.n; i++)
		FUZZ_ASSERT((unsigned char)path.p[i] > 0x20 && (unsigned char)path.p[i] < 0x7f);
}

static void check_parse(struct strview text)
{
	struct url u;
	struct url_hostport again;
	char authority[URL_AUTHORITY_MAX];
	struct err why;

	if (url_parse(text, &u, &why) < 0)
		return;
	check_path(u.path);
	fuzz_assert_within(u.path, text);
	url_authority(&u.at, authority);
	FUZZ_ASSERT(u.at.port != 0 && url_hostport_parse(sv_str(authority), &again, &why) == 0 && url_hostport_eq(&again, &u.at));
}

/* Of the registry's own lists, or NULL = the registry. */
static void check_host(const struct conf_registry *g, const struct conf_hosts *list, const struct conf_host *at)
{
	bool listed = at == NULL;

	for (unsigned i = 0; i < list->count; i++)
		listed |= at == &list->item[i];
	FUZZ_ASSERT(listed);
	(void)g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	const struct conf_registry *g = fuzz_conf()->registry[0];
	struct strview text = fuzz_text(data, size);
	struct token_server server;
	struct redirect to;

	if (size > 16384)
		return 0;
	check_parse(text);
	if (token_server_find(g, text, &server) == ERROR_NONE) {
		check_host(g, &g->token_at, server.at);
		check_path(server.path);
		FUZZ_ASSERT(server.path.n > 0 && !sv_contains(server.path, SV("/..")) && !sv_contains(server.path, SV("%")));
	}
	head.status = 307;
	head.fields = 0;
	http_head_add(&head, SV("Location"), text);
	for (unsigned i = 0; i < 2; i++)
		if (redirect_resolve(g, i ? &g->redirect_at.item[0] : NULL, i, &head, &to) == REDIRECT_FOLLOW) {
			check_host(g, &g->redirect_at, to.at);
			check_path(to.path);
			FUZZ_ASSERT(to.path.n > 0);
		}
	return 0;
}
