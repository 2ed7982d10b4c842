/* A double of the upstream side for tests of the worker: fetch_start hands out sources that the test fills by hand. */
#ifndef WORKER_DOUBLE_H
#define WORKER_DOUBLE_H

#include "fetch.h"
#include "http_wire.h"

#define DOUBLE_SOURCES 64

struct double_source {
	struct source source;
	struct wire wire;
	struct http_head head;
	char head_text[2048];
	const char *body;  /* what has come so far */
	size_t body_bytes;
	bool ended, cut;   /* after body */
	bool skips;        /* reads what is none of the client's, whenever it is asked */
	bool freed, complete;
	unsigned moves;
	char path[1024];   /* of the request */
	char fields[4096]; /* "name: value\n" ... */
	const struct conf_registry *registry;
	enum http_method method;
};

/* In the order in which they were started; a source is kept (freed = true) when the session lets go of it. */
extern struct double_source *double_source[DOUBLE_SOURCES];
extern unsigned double_sources;
/* Answers that fetch_start gives at once (the head comes in the first event); NULL = the test answers by hand. */
extern const char *double_instant;
extern bool double_refuses; /* fetch_start fails */

/* Forgets all of them. */
void double_reset(void);
/* The head (text with the final empty line) has come; fn is called. */
void double_answer(struct double_source *d, const char *head, const char *body, bool ended);
/* The same, but fn is not called yet. */
void double_arrive(struct double_source *d, const char *head, const char *body, bool ended);
/* More body; everything so far is `body`. */
void double_more(struct double_source *d, const char *body, size_t bytes, bool ended);
void double_cut(struct double_source *d);
void double_fail(struct double_source *d, enum error_id id, const char *text);

#endif
