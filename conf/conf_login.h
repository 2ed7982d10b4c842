/* The relay's own credentials for a registry, as `authorization = file:PATH` names them.  Master. */
#ifndef CONF_LOGIN_H
#define CONF_LOGIN_H

#include "conf.h"

/* The path of an `authorization`; NULL: it is "pass" (or no such thing: see conf_login_is_ok). */
const char *conf_login_path(const char *authorization);
/* "pass", or "file:" and an absolute path or credential:NAME. */
bool conf_login_is_ok(const char *authorization);

/* Reads a directory with the files username and password; a .dockerconfigjson, itself or alone in a directory, of which the
 * entry counts that is named like the registry (its virtual host and port, or just the host), or else the only one; or one
 * line, "Basic ..." or "Bearer ...", as it shall be sent.  `credential:NAME` as in secret_path.  RFC 7617, RFC 6750 2.1.
 * 0: *ret is the caller's (conf_login_free); -EINVAL, -errno with reterr, which names the file and quotes nothing of it. */
MUST_CHECK int conf_login_read(const char *path, const struct url_hostport *registry, struct conf_login **ret, struct err *reterr);
/* The same of a file with one line user:password. */
MUST_CHECK int conf_login_read_line(const char *path, struct conf_login **ret, struct err *reterr);
/* Clears it.  NULL is nothing. */
void conf_login_free(struct conf_login *l);

/* The files of a directory that are read; the last one is NULL. */
extern const char *const conf_login_names[];

#endif
