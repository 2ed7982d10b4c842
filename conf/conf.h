/* The configuration: read by the master, frozen, inherited by fork.  After conf_load it is never written again.
 * Which keys exist, their defaults and ranges: conf_keys.def.  Durations are ms, sizes bytes. */
#ifndef CONF_H
#define CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "err.h"
#include "log.h"
#include "tls_context.h"
#include "url.h"

#define CONF_PATH_DEFAULT SYSCONFDIR "/regrelay/regrelay.ini"
#define CONF_NAME_MAX     40 /* of a section: "registry NAME" must fit inih's 49 */
#define CONF_PROXIES      32
#define CONF_REGISTRIES   32
#define CONF_NAMES        128 /* as many as shared memory has room for */
#define CONF_SOCKS_METHODS 2

struct tls_context;

enum conf_sandbox { CONF_SANDBOX_AUTO, CONF_SANDBOX_REQUIRED, CONF_SANDBOX_OFF };
enum conf_protocol { CONF_PROTOCOL_HTTP, CONF_PROTOCOL_SOCKS5, CONF_PROTOCOL_CONNECT };
enum conf_form { CONF_FORM_ORIGIN, CONF_FORM_ABSOLUTE };
enum conf_auth { CONF_AUTH_NONE, CONF_AUTH_BEARER, CONF_AUTH_SERVICE_TOKEN, CONF_AUTH_BASIC };
enum conf_scheme { CONF_SCHEME_HTTP, CONF_SCHEME_HTTPS };
enum conf_forwarded_proto { CONF_FORWARDED_NONE, CONF_FORWARDED_HTTP, CONF_FORWARDED_HTTPS };

/* A list key: the values in file order.  items is NULL when count is 0. */
struct conf_list {
	char **items;
	int *lines;                  /* of each item: where in the file */
	unsigned count;
};

/* Methods of SOCKS5: RFC 1928 3, and the connectivity proxy's own. */
enum conf_socks_method { CONF_SOCKS_NONE = 0x00, CONF_SOCKS_JWT = 0x80 };

/* An entry of token_hosts, redirect_hosts or redirect_pass: a host as the registry's URLs name it. */
struct conf_host {
	struct url_hostport at; /* port filled in: 443 where none was written */
	char *path;             /* of token_hosts: what the URL's path must be or lie under; "" = any */
	struct url_hostport behind; /* virtual host and port that stand for it behind the proxy; without one, where to connect to */
	char *authority;        /* the same as text */
	int name_index;         /* as conf_proxy's, of behind, where there is no proxy; else -1 */
	unsigned place;         /* < conf->places, of this entry alone */
};

struct conf_hosts {
	struct conf_host *item;
	unsigned count;
};

/* An address to listen on. */
struct conf_address {
	struct sockaddr_storage sa; /* AF_INET or AF_INET6; "*" is [::] with IPV6_V6ONLY off */
	socklen_t len;
	bool dual;                  /* "*": both families on one socket, or 0.0.0.0 where there is no IPv6 */
	int line;                   /* of the file; 0 = the default */
	char text[64];              /* as written */
};

struct conf_addresses {
	struct conf_address *items;
	unsigned count;
};

struct conf_master {
	unsigned workers;            /* 1..126; auto is resolved at load */
	char *user;                  /* "" = stay as started */
	char *control;               /* path of the socket */
	unsigned control_mode;       /* permission bits */
	char *control_group;         /* "" = primary group */
	uint64_t drain_timeout, drain_delay, reload_timeout, stuck_timeout;
	unsigned max_generations;
	enum conf_sandbox sandbox;
};

struct conf_listen {
	struct conf_addresses address;
	unsigned public_port;        /* 0 = not given */
	unsigned backlog;
	unsigned max_connections;    /* of one worker */
	unsigned max_connections_per_address;
	uint64_t head_timeout, idle_timeout, send_timeout;
	uint64_t head_size;          /* bytes of a request head */
	unsigned head_fields;
	uint64_t min_rate;           /* bytes per second; 0 = off */
	char *tls_certificate, *tls_key; /* both or none */
	struct tls_context *tls;         /* what is in them, owned; NULL = plain connections only */
};

struct conf_admin {
	struct conf_addresses address; /* count 0 = off */
	bool expose_health, expose_metrics;
};

struct conf_log {
	enum log_level level;
	enum log_format format;
	bool access;
};

struct conf_proxy {
	char *name;                  /* "default" for [proxy] */
	struct url_hostport address; /* of the connectivity proxy */
	unsigned index;              /* in shared memory (stats upstream row); < STATS_UPSTREAMS */
	int name_index;              /* in conf->names; -1 when address.host is a literal */
	enum conf_protocol protocol;
	enum conf_form request_form;
	char *location_id;           /* "" = none */
	enum conf_auth auth;
	char *credentials, *auth_file, *token_file, *token_resource, *ca_file;
	char *tls_client_certificate, *tls_client_key; /* both or none */
	char *client_chain, *client_key; /* what is in them (PEM), for the token service; NULL = none.  Secret: shown nowhere */
	char ca_hash[65];            /* SHA-256 of ca_file when it was read; "" = none */
	struct conf_list socks_methods;
	unsigned char socks_method[CONF_SOCKS_METHODS]; /* offered, in this order (enum conf_socks_method) */
	unsigned socks_method_count; /* 0 unless protocol is socks5 */
	struct conf_login *basic;    /* of auth_file; NULL unless auth is basic */
	uint64_t connect_timeout, header_budget, stall_timeout, stall_grace, resume_timeout, idle_timeout;
	uint64_t probe_interval;
	unsigned max_connections;    /* whole daemon */
	unsigned breaker_failures;
	bool direct;                 /* made up for a registry with `proxy = none`: address is the registry's */
};

/* The relay's own credentials for a registry.  Secret: shown nowhere. */
struct conf_login {
	char *value; /* of the Authorization field: "Basic ..." or "Bearer ..." */
	bool bearer; /* a token, to be sent as it is; else user and password, with which a token server can be asked, too */
};

struct conf_registry {
	char *name;                  /* "default" for [registry] */
	struct url_hostport host;    /* virtual host:port, port filled in from scheme */
	char *authority;             /* "host:port" as it goes into Host */
	enum conf_scheme scheme;
	const struct conf_proxy *proxy; /* never NULL after load; one of conf->proxy */
	bool is_default;
	char *prefix;                /* "" = none; without slashes at the ends */
	char *ns;                    /* "" = none */
	char *match_host;            /* "" = none; compared with the client's Host, with or without port */
	char *authorization;         /* "pass" or "file:PATH" */
	struct conf_login *login;    /* what that file has; NULL = pass */
	struct conf_list allow, deny, token_hosts, redirect_hosts, redirect_pass;
	struct conf_hosts token_at, redirect_at, pass_at; /* the three lists, taken apart */
	bool forwarded_host;
	enum conf_forwarded_proto forwarded_proto;
	char *ca_file, *tls_name, *tls_client_certificate, *tls_client_key;
	struct url_hostport tls_host; /* whom its certificate must be for: tls_name, or host; the port means nothing */
	struct tls_context *tls;     /* of connections on which we speak TLS; NULL = there are none */
	char ca_hash[65];            /* as conf_proxy's */
	char *location_id;           /* effective: the registry's own or the proxy's; "" = none */
};

struct conf {
	char *path;                  /* as opened */
	char hash[65];               /* SHA-256 of the file's bytes, hex */
	char files_hash[65];         /* of the files it names (conf_files_hash) */
	struct conf_master master;
	struct conf_listen listen;
	struct conf_admin admin;
	struct conf_log log;
	struct conf_proxy *proxy[CONF_PROXIES + CONF_REGISTRIES]; /* configured ones, then the direct ones */
	unsigned proxies;
	struct conf_registry *registry[CONF_REGISTRIES];
	unsigned registries;
	const struct conf_registry *default_registry;
	unsigned places;             /* entries of all conf_hosts together */
	/* Names the keeper resolves, each once: proxies' addresses, and hosts that are reached without one, unless they are
	 * literals.  Virtual hosts never. */
	const char *names[CONF_NAMES];
	unsigned names_count;
	struct conf_origins *origins; /* conf_dump's: which line gave which value */
};

/* All errors of a file, in line order.  Each is "PATH:LINE: text" (no line for what is missing). */
struct conf_errors {
	char **line;
	unsigned count;
};
void conf_errors_free(struct conf_errors *e);
/* One more; line 0 = of no line.  What there is no memory for is left out. */
void conf_errors_add(struct conf_errors *e, const char *path, int line, const char *text);
/* All of them, the caller's from now on; none are left in e. */
MUST_CHECK struct conf_errors conf_errors_take(struct conf_errors *e);

/* Reads path (NULL = CONF_PATH_DEFAULT) and checks everything.  0: *ret is a new configuration, owned by the
 * caller (conf_free).  -EINVAL: errors lists what is wrong, all of it.  -errno: errors says which file could
 * not be read.  *ret is written only on 0.  Opens no socket, resolves no name. */
MUST_CHECK int conf_load(const char *path, struct conf **ret, struct conf_errors *errors);
void conf_free(struct conf *c);

/* The hash that conf_load would give these bytes now, without reading what they say.  0 or -errno with reterr. */
MUST_CHECK int conf_file_hash(const char *path, char ret[65], struct err *reterr);

/* The hash of the files that c names and that are read once a generation (conf_files.c has their list), as they are now; one
 * that cannot be read counts as another one.  What files_hash of a configuration loaded now would be.  0 or -errno with
 * reterr. */
MUST_CHECK int conf_files_hash(const struct conf *c, char ret[65], struct err *reterr);
/* Their fingerprint (fingerprint.h); 0 = there are none. */
uint64_t conf_files_fingerprint(const struct conf *c);

/* Prints the effective configuration as a file that loads to the same, with the origin of each value as a
 * comment and secrets masked. */
int conf_dump(const struct conf *c, int fd);

/* Tells each key whose value (or what the file that it names says, of certificates, ca_file, authorization and auth_file) is
 * another in b than in a, and each section that one of them lacks: what is "[section NAME] key" or "[section NAME]"; restart_line: < 0, or a
 * running daemon cannot take it over, and this line of b's file wants it (0 = it is the default). */
struct conf_diff {
	void (*visit)(struct conf_diff *d, const char *what, int restart_line);
};
#define CONF_NO_RESTART (-1)
void conf_compare(const struct conf *a, const struct conf *b, struct conf_diff *d);

/* The entry that names this host, port and path (with query); NULL: none does. */
const struct conf_host *conf_hosts_find(const struct conf_hosts *h, const struct url_hostport *at, struct strview path);

/* Do we speak TLS with its servers, where they want it?  Else the Cloud Connector does, and URLs with https are asked for
 * without. */
bool conf_speaks_tls(const struct conf_registry *r);
/* Would a URL of that scheme lead from TLS to none?  Never where the Cloud Connector does the TLS. */
bool conf_is_downgrade(const struct conf_registry *r, bool https);
/* Is the token shown in SOCKS5? */
bool conf_socks_shows_token(const struct conf_proxy *p);
/* The certificate of the listeners has expired or is not valid yet: true, and says so in dst. */
bool conf_tls_warning(const struct conf *c, uint64_t now_s, char *dst, size_t cap);

/* The CA bundle that a ca_file means: "" is the one regrelay was built for (--with-ca-bundle).  As secret_path. */
MUST_CHECK int conf_ca_file(const char *written, char *dst, size_t cap, struct err *reterr);
/* A client's context that trusts it; NULL with reterr. */
struct tls_context *conf_tls_client(const char *written, struct err *reterr);
/* SHA-256 of that bundle; "" when none is written, or it cannot be read. */
void conf_ca_hash(const char *written, char ret[65]);

/* The port clients use, for texts: public_port, else that of the first listen address. */
unsigned conf_public_port(const struct conf *c);

#endif
