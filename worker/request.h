/* One request of a client, from its parsed head to the access line.  The memory of the head's bytes is the
 * session's head buffer, which stays put until the answer is complete.  Worker. */
#ifndef REQUEST_H
#define REQUEST_H

#include "fetch.h"
#include "form.h"
#include "route.h"

#define REQUEST_ID_MAX   128  /* bytes of an x-request-id that is taken over */
#define REQUEST_LINE_MAX 8192 /* bytes of a request line (RFC 9112 3) */

/* Who ended an exchange and why: request_ends.def. */
enum request_end {
#define END(id, side, code) REQUEST_##id,
#include "request_ends.def"
#undef END
};
enum request_side { REQUEST_SIDE_NONE, REQUEST_SIDE_CLIENT, REQUEST_SIDE_UPSTREAM, REQUEST_SIDE_RELAY };

struct request {
	enum http_method method;
	struct strview method_text, target, host, user_agent, content_type; /* empty when the head was refused */
	unsigned minor;
	size_t head_bytes; /* to be consumed when the answer is complete */
	struct route route;
	struct http_field field[HTTP_FIELDS_MAX + 1]; /* and the id */
	unsigned fields;
	char id[REQUEST_ID_MAX + 1];
	bool close; /* the connection ends after the answer */
	bool expects; /* the client waits for 100 Continue before it sends its form */
	struct form form; /* of a POST */
	bool deaf_ping; /* a first contact whose failure the client would not show; request.c */

	unsigned status;     /* of the answer; 0 = none began */
	enum error_id error; /* of an own answer, or of what broke a body off */
	char error_text[ERROR_TEXT_MAX];
	enum request_end end;
	uint64_t began_ms, head_ms; /* CLOCK_MONOTONIC; head_ms 0 = no head went out */
	uint64_t body_bytes;        /* of the answer's body, framing not counted */
	struct fetch_facts facts;
	bool has_facts;

	size_t path_bytes;
	char path[]; /* what goes upstream */
};

/* A request for a parsed head, or for one that was refused (h = NULL).  NULL: out of memory. */
struct request *request_new(const struct http_head *h, uint64_t now_ms);

/* Wipes and frees; NULL is nothing. */
void request_free(struct request *rq);

/* Checks everything that needs no upstream: method, expectation, line length, route, rules.  True when it may
 * be fetched: route, path and fields are filled in.  False: rq->error and rq->error_text tell. */
bool request_admit(struct request *rq, const struct conf *c, const struct http_head *h);

/* The form is whole: checks it and takes the prefix out of its scopes.  False: rq->form.why says what is wrong. */
bool request_take_form(struct request *rq);

/* Sets the error with its text; detail fills the text's {detail}. */
void request_fail(struct request *rq, enum error_id id, struct strview detail);

/* What to hand to fetch_start; valid as long as rq and the head's bytes. */
void request_for_fetch(const struct request *rq, struct fetch_request *ret);

enum stats_method request_stats_method(const struct request *rq);

/* The code of the access line, and whose fault it was. */
const char *request_end_code(enum request_end end);
enum request_side request_end_side(enum request_end end);
/* What a body that broke off with this error ends with. */
enum request_end request_end_of(enum error_id broke);

#endif
