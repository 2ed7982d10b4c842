/* Token requests of clients: /_regrelay/token/REGISTRY/BASE64URL(realm), with the client's own query or form.  Nothing is
 * remembered: the realm is in the path and is checked whenever it is used, so that nobody can make the relay ask for
 * anything but a token server that the configuration names.  Worker and keeper. */
#ifndef TOKEN_H
#define TOKEN_H

#include "route.h"

#define TOKEN_PATH     "/_regrelay/token/"
#define TOKEN_FORM_MAX (64 * 1024) /* bytes of a form */

/* True for a target (path, query or not) below TOKEN_PATH. */
bool token_is(struct strview target);

/* Takes path apart (what follows TOKEN_PATH, without query) and checks the realm: an http(s) URL at the registry's own
 * host and port, or one of its token_hosts; a path without dots, escapes and empty components; at the registry itself
 * nothing of the distribution specification's.  Fills r->registry, r->at and r->reference; false: r->error says why not. */
bool token_route(const struct conf *c, struct strview path, struct route *r);

/* Writes path and query for the token server (the realm's query first, then the client's) into dst; its length, at most
 * ROUTE_PATH_MAX of the target.  r as token_route left it. */
size_t token_path(const struct route *r, char *dst);

/* The scopes of a query or form: the registry's prefix, which clients see in front of repositories and the registry does
 * not know, is taken out of them.  dst may be params; never longer than it; the length. */
size_t token_scopes(const struct conf_registry *g, struct strview params, char *dst);

/* NULL when a body is a form that asks for a token (RFC 6749 4.3, 6), or what is wrong with it; static text. */
const char *token_form_wrong(struct strview content_type, struct strview form);

#endif
