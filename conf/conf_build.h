/* A configuration under construction, with all that is wrong with it so far.  Master; shared by conf.c, conf_parse.c
 * and conf_check.c. */
#ifndef CONF_BUILD_H
#define CONF_BUILD_H

#include "conf_key.h"

struct conf_mistake {
	int line; /* 0 = of no line: something is missing */
	char *text;
};

struct conf_build {
	struct conf *c;                        /* owned until it is handed out */
	struct conf_mistake *mistake;
	unsigned mistakes;
	bool lost;                             /* one that there was no memory for */
	char *proxy_ref[CONF_REGISTRIES];      /* what a registry's `proxy` says; NULL = nothing */
	/* where the parser is */
	const char *at, *end;                  /* rest of the file in memory */
	int line;
	enum conf_section section;             /* CONF_SECTIONS = before the first header */
	unsigned instance;
	bool skip;                             /* in a section that is not known: its keys say nothing new */
	int header[CONF_SECTIONS];             /* line of the header of a section that may come once; 0 = not yet */
};

/* Notes a mistake.  Out of memory is noted too: mistakes then counts one without text, or it is lost, which is one as well. */
void build_mistake(struct conf_build *b, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A new section with its defaults: 0, -ENOMEM, or -ENOSPC when there are too many. */
MUST_CHECK int build_proxy(struct conf_build *b, struct strview name);
MUST_CHECK int build_registry(struct conf_build *b, struct strview name);
/* Fills a section's struct with the defaults of the table.  0 or -ENOMEM. */
MUST_CHECK int build_defaults(enum conf_section s, void *section);

/* All of a regular file of 1 byte to 1 MiB, terminated; *ret is the caller's (free).  0 or -errno with reterr. */
MUST_CHECK int conf_file_read(const char *path, char **ret, size_t *ret_n, struct err *reterr);

/* Reads bytes[0..n) into b->c.  Mistakes are noted in b. */
void conf_parse(struct conf_build *b, struct strview bytes);
/* What no line alone can tell: references, uniqueness, what is missing.  Completes b->c.  Notes mistakes. */
void conf_check(struct conf_build *b);
/* How proxy i is authenticated to: the keys fit together, and the files they name are good.  Notes mistakes. */
void conf_check_auth(struct conf_build *b, unsigned i);
/* How proxy i is spoken to, after conf_check_auth.  Notes mistakes. */
void conf_check_protocol(struct conf_build *b, unsigned i);
/* A location id, behind that proxy (NULL = none is known).  Notes mistakes. */
void conf_check_location(struct conf_build *b, int line, const char *id, const struct conf_proxy *p);
/* TLS to the servers of registry i, after conf_check_hosts; its proxy is known.  Notes mistakes. */
void conf_check_tls(struct conf_build *b, unsigned i);
/* Reads the relay's own credentials for registry i, if it has any.  Notes mistakes. */
void conf_check_login(struct conf_build *b, unsigned i);
/* A certificate and its key: two keys of one section that name a file each. */
struct conf_pair {
	enum conf_section section;
	unsigned i;
	enum conf_key_index certificate, key;
};
/* Reads both files, PEM as they say.  True: *ret_chain and *ret_key are the caller's (secret_free), or as before when neither is
 * named.  False: one is named without the other, or cannot be read; noted. */
MUST_CHECK bool conf_pair_read(struct conf_build *b, const struct conf_pair *p, char **ret_chain, char **ret_key);
/* Notes what tls_context_certificate said of them, where the file that it is about is named. */
void conf_pair_refuse(struct conf_build *b, const struct conf_pair *p, const struct err *why);
/* Reads the certificate of the listeners, if there is one.  Notes mistakes. */
void conf_check_certificate(struct conf_build *b);
/* Reads the lists of other hosts of registry i.  Notes mistakes. */
void conf_check_hosts(struct conf_build *b, unsigned i);
void conf_hosts_free(struct conf_hosts *h);

#endif
