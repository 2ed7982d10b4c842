/* Which token server the realm of a registry's Bearer challenge means, and whether it may be asked: the registry's own host
 * and port, or one of token_hosts.  The realm is a stranger's text; whoever asks a token server asks here first.  Worker and
 * keeper. */
#ifndef TOKEN_SERVER_H
#define TOKEN_SERVER_H

#include "conf.h"
#include "errors.h"

struct token_server {
	const struct conf_host *at; /* NULL = the registry itself */
	bool https;                 /* of the realm's URL */
	struct strview path, query; /* of the realm, which must stay */
	char detail[URL_AUTHORITY_MAX]; /* of a refusal */
};

/* A realm is an http(s) URL, or a path of the registry's own, with neither dots nor escapes nor empty components in its
 * path; at the registry itself it is nothing of the distribution specification's.  ERROR_NONE: it may be asked;
 * ERROR_TOKEN_HOST (detail: the host), ERROR_TOKEN_REALM (detail: what is wrong). */
enum error_id token_server_find(const struct conf_registry *g, struct strview realm, struct token_server *ret);

#endif
