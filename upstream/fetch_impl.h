/* The inside of a fetch, for the files of its machine (fetch*.c).  Its states: fetch_states.def. */
#ifndef FETCH_IMPL_H
#define FETCH_IMPL_H

#include "body.h"
#include "classify.h"
#include "dial.h"
#include "fetch.h"
#include "range.h"
#include "response.h"
#include "retry.h"
#include "socks.h"
#include "validator.h"

enum fetch_state {
#define S(state, name, deadline, why) FETCH_##state,
#include "fetch_states.def"
#undef S
	FETCH_STATES
};

/* An error that may become the answer: what is rendered when it does. */
struct fetch_error {
	enum error_id id; /* ERROR_NONE = there is none */
	char detail[CLASSIFY_DETAIL];
};

/* Why a body has to be asked for again from where the client is. */
enum resume_cause {
	RESUME_CLOSED, /* the upstream ended it early: FIN, a last chunk that never came */
	RESUME_RESET,  /* an error of the connection */
	RESUME_STALL,  /* no byte for stall_timeout */
	RESUME_CLIENT, /* the client took nothing for stall_grace, and takes bytes again */
	RESUME_PIECE   /* nothing broke: the answer brought a part of what is wanted */
};

/* How a body is gone on with.  Invariant: under_way only after the head was delivered, and then there is no body to move. */
struct resume {
	bool possible;         /* the answer has a place in a whole that can be asked for again */
	bool under_way;        /* from the break until the head of an answer that goes on */
	bool asked;            /* rq.field ends with our Range (and If-Range) */
	bool held;             /* the last wait was for the client, not for the upstream */
	bool ranges_ignored;   /* asked for a range, got the whole: a stall would cost all of it again */
	enum resume_cause cause;
	unsigned failed;       /* attempts since the last byte that the client got */
	uint64_t progress_ms;  /* when that was */
	uint64_t piece;        /* bytes asked for at a time, for a client that stalled or is slow; 0 = all */
	uint64_t answer_ms, answer_at; /* when this answer began, later by what was waited for its bytes; and at which byte */
	uint64_t dry_ms;       /* in BODY_WAIT: since when */
	uint64_t skip;         /* bytes of this answer that the client has already */
	uint64_t until;        /* where this answer ends in the whole; RANGE_UNKNOWN */
	struct range range;
	struct validator validator;
	char text[RANGE_TEXT_MAX]; /* of Range */
};

struct fetch {
	struct source source;
	struct upstream *upstream;
	struct pool *pool;
	const struct pool_key *key;
	struct fetch_request rq;    /* rq.field is ours, the views are the caller's */
	enum fetch_state state;     /* written by fetch_set alone */
	struct timer deadline;
	struct deferred notify;     /* calls the session, never from within a call of its own */
	struct grave grave;
	struct waiter waiter;
	struct list waiting;        /* in upstream.news; self-linked = not */
	struct conn *conn;          /* NULL = none */
	struct dial dial;
	struct socks socks;
	struct buf out;             /* of the request head, while it is written */
	struct body body;
	struct retry retry;
	struct resume resume;
	struct fetch_error last;    /* of the last attempt: tells more than that the next was slow */
	struct fetch_facts facts;
	struct grant *grant;        /* held; NULL = the client's own credentials go along */
	uint32_t shown;             /* serial of what was shown last; 0 = nothing */
	bool trying;                /* the breaker lets this one alone dial */
	unsigned challenged;        /* times the registry answered 401 */
	bool strayed;               /* came by another host */
	unsigned hops;              /* redirects followed since the beginning */
	const struct conf_host *first_at; /* where it began */
	bool first_https;
	struct strview first_path;
	char *path;                 /* of the last redirect; NULL = none */
	size_t body_sent;           /* of rq.body */
	unsigned refused;           /* tokens that the proxy refused */
	bool probing;               /* a HEAD asked again as GET for the text of its error */
	uint64_t started_ms, budget_from_ms, budget_at_ms, patience_at_ms, dialled_ms, dial_until_ms, again_at_ms;
	unsigned turn;              /* which address is first at the next dial */
	/* From the table of its head on nothing is cleared at the start. */
	struct response response;
	struct http_field field[];  /* a copy: rq may have been on the caller's stack; room for RESUME_FIELDS more */
};

/* --- fetch.c: the object ------------------------------------------------------------------------------- */

void fetch_set(struct fetch *f, enum fetch_state state);
/* The session is called after this turn's events. */
void fetch_tell(struct fetch *f);
/* The head is the registry's own: it is delivered. */
void fetch_deliver(struct fetch *f);
/* Ends before the head. */
void fetch_fail(struct fetch *f, const struct fetch_error *e);
void fetch_fail_memory(struct fetch *f);
/* Into the upstream's statistics. */
void fetch_count_failure(const struct fetch *f, enum error_id id);
/* Ends within the body. */
void fetch_cut(struct fetch *f, enum error_id id, const char *detail);
/* The connection goes back to the pool, or is closed. */
void fetch_give_back(struct fetch *f);
void fetch_drop_conn(struct fetch *f, bool reset);
/* "25 s", "1.5 s", "300 ms" */
void fetch_duration_text(uint64_t ms, char *dst, size_t cap);
/* Sets e; the format makes the detail. */
void fetch_error_set(struct fetch_error *e, enum error_id id, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- fetch_connect.c: from the queue to a connection --------------------------------------------------- */

void fetch_queue(struct fetch *f);
void fetch_granted(struct waiter *w, struct conn *c);
/* The addresses of the proxy: dials, waits for the keeper, or fails. */
void fetch_lookup(struct fetch *f);
void fetch_on_dial(struct fetch *f);
void fetch_dial_expired(struct fetch *f);

/* --- fetch_tunnel.c: from a connected socket to one for requests --------------------------------------- */

/* Through the proxy to the target, where it opens tunnels, then TLS, where we speak it; then asks. */
void fetch_tunnel(struct fetch *f);
/* TLS alone. */
void fetch_secure(struct fetch *f);
/* The transport became ready in one of these states. */
void fetch_on_tunnel(struct fetch *f);

/* --- fetch_breaker.c: when nobody could connect for a while -------------------------------------------- */

/* False: the breaker is open, and the attempt has failed. */
bool fetch_may_dial(struct fetch *f);
/* How it went. */
void fetch_not_dialled(struct fetch *f, const struct fetch_error *e);
void fetch_dialled(struct fetch *f);
/* Nothing was dialled after all. */
void fetch_stop_trying(struct fetch *f);

/* --- fetch_token.c: the token for the proxy ------------------------------------------------------------ */

/* True: it is there, or none is needed.  False: the fetch waits for it (without a connection), or has failed. */
bool fetch_has_token(struct fetch *f);
/* The proxy says 407: waits for another one, once.  e is what it said. */
void fetch_token_refused(struct fetch *f, struct fetch_error *e);
/* The header budget was spent waiting for it: e, which is what the last attempt knew, becomes what is told. */
void fetch_token_late(struct fetch *f, struct fetch_error *e);

/* --- fetch_login.c: the relay's own credentials for the registry --------------------------------------- */

/* True: they are there, or none are needed so far.  False: the fetch waits (without a connection), or has failed. */
bool fetch_has_login(struct fetch *f);
/* The value of Authorization; NULL = nothing is shown, or what the client sent. */
const char *fetch_show_login(struct fetch *f);
/* The answer is a 401 and has been dealt with: asked again, or failed.  False: it is an answer like others. */
bool fetch_challenged(struct fetch *f);
/* The header budget was spent waiting for a token. */
void fetch_login_late(struct fetch *f, struct fetch_error *e);

/* --- fetch_answer.c: the request and the head of its answer -------------------------------------------- */

void fetch_ask(struct fetch *f);
void fetch_on_ask(struct fetch *f);
void fetch_on_head(struct fetch *f);
void fetch_on_text(struct fetch *f);
/* The text will not become longer. */
void fetch_judge(struct fetch *f);

/* --- fetch_retry.c: attempts that failed --------------------------------------------------------------- */

/* An attempt failed, its connection is closed: tries again or fails. */
void fetch_attempt_failed(struct fetch *f, enum retry_cause cause, const struct fetch_error *e);
/* The header budget is used up. */
void fetch_expired(struct fetch *f);

/* --- fetch_follow.c: redirects ------------------------------------------------------------------------- */

/* The answer is a redirect and has been dealt with: followed, or failed.  False: it is an answer like others. */
bool fetch_follow(struct fetch *f);
/* The answer is of no use; its connection is, when the answer is here to its end. */
void fetch_leave_conn(struct fetch *f);
/* The next attempt asks the registry again: what it redirects to is signed for a short time. */
void fetch_begin_anew(struct fetch *f);
/* Another host, where the registry redirected to, refuses: no answer of the registry's. */
bool fetch_hop_failed(const struct fetch *f);

/* --- fetch_body.c -------------------------------------------------------------------------------------- */

enum move_result fetch_move(struct source *s, struct sink *to, size_t max, size_t *ret_moved, int *ret_errno);
void fetch_stalled(struct fetch *f);

/* --- fetch_resume.c: bodies that break off, clients that take nothing ---------------------------------- */

#define RESUME_FIELDS 2 /* Range, If-Range */

/* The client has the head: from here on what fails is resumed or cuts. */
static inline bool fetch_head_is_out(const struct fetch *f)
{
	return f->source.state == SOURCE_HEAD;
}
/* The head is about to be delivered: can its body be resumed? */
void fetch_resume_learn(struct fetch *f);
/* The body broke off, or ended before its end.  True: it will be gone on with.  False: it cannot be, and is cut. */
bool fetch_broke_off(struct fetch *f, enum resume_cause cause, enum error_id id, const char *detail);
/* The answer ended where it said, before the end of what is wanted: asks for the rest. */
void fetch_next_piece(struct fetch *f);
/* The pause is over. */
void fetch_resume_attempt(struct fetch *f);
/* An attempt to resume failed; passing: the next one may do better. */
void fetch_resume_failed(struct fetch *f, const struct fetch_error *e, bool passing);
/* May what e says be gone a moment later, the registry having answered well a moment ago? */
bool fetch_resume_passes(enum error_id id);
/* The head of an answer of the registry's own to an attempt. */
void fetch_resume_head(struct fetch *f);
/* The client took nothing for stall_grace: the upstream shall not wait for it (the ten-second rule). */
void fetch_park(struct fetch *f);
/* The client has to be waited for, and is so slow that the upstream would not bear it for long: parked, to be given small
 * pieces from now on.  False: it is not. */
bool fetch_park_slow(struct fetch *f);
/* A parked client takes bytes again. */
void fetch_unpark(struct fetch *f);

#endif
