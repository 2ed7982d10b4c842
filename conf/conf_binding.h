/* A service binding: where the token service of a connectivity proxy is, and who we are to it.  Master (checks) and keeper
 * (uses; reads it again when the files change). */
#ifndef CONF_BINDING_H
#define CONF_BINDING_H

#include "conf.h"

struct conf_binding {
	struct url_hostport at; /* of the token service; always https */
	char *path;             /* of its endpoint; begins with '/' */
	char *client_id;
	char *client_secret;       /* NULL = the certificate is enough */
	char *certificate, *key;   /* PEM, to be shown there: its own, or the proxy's; both or none; never NULL without a secret */
};

/* Reads what the proxy's `credentials` name: a directory with one file per key of the binding, or a JSON file with the keys at
 * its top or in an object "credentials" or "uaa"; a directory with a JSON file alone is taken for that file.  Keys: clientid,
 * clientsecret or (certificate, key, certurl), token_service_url or url.  Certificate and key may be those of the proxy's
 * client_chain and client_key instead; then the binding has none of its own.  The URL gets /oauth/token where it has no path;
 * with the proxy's token_resource (IAS) it is /oauth2/token.  0: *ret is the caller's (conf_binding_free); -EINVAL, -errno with
 * reterr. */
MUST_CHECK int conf_binding_read(const struct conf_proxy *p, struct conf_binding *ret, struct err *reterr);
/* Clears what is secret. */
void conf_binding_free(struct conf_binding *b);

#endif
