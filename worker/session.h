/* A session: one client connection from accept to close, its requests one after the other.  Worker.
 *
 *   HELLO (-> HANDSHAKE -> HELLO) -> HEAD (-> FORM) -> SOURCE -> MOVE <-> SEND -> FLUSH -> IDLE -> HEAD ...      (session_states.def)
 *                 own answer ------------------->       -> LINGER -> GONE
 * A state is entered only to wait: a small answer goes from SOURCE to IDLE in one go.  While an answer is
 * under way nothing is read from the client, so pipelined requests wait in the socket and in what is left of
 * the head buffer. */
#ifndef SESSION_H
#define SESSION_H

#include <netinet/in.h>

#include "client_body.h"
#include "request.h"
#include "service.h"

enum session_state {
#define S(name, gauge, step, expire, waits) SESSION_##name,
#include "session_states.def"
#undef S
	SESSION_STATES
};

/* What a step leaves behind. */
enum step {
	STEP_WAIT,  /* for the state's event or deadline */
	STEP_AGAIN, /* the step of the (new) state can run at once */
	STEP_YIELD  /* the same, but in the next turn of the loop: others first */
};

union session_peer {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Invariants: rq != NULL exactly while a request is being answered; source != NULL only then; `in` has memory
 * while it holds bytes, `out` while rq is there. */
struct session {
	struct service *sv;
	struct list node; /* of sv->sessions */
	struct transport client;
	struct timer deadline;
	struct deferred later;
	enum session_state state;
	uint64_t id; /* of the process, from 1 */
	union session_peer peer;
	char peer_text[INET6_ADDRSTRLEN]; /* the same, for people; "" = unknown */
	struct buf in, out;
	bool unread;         /* `in` holds bytes that the wire has not seen */
	uint64_t head_by_ms; /* when the head being read must be complete */
	uint64_t touched_ms; /* of the last byte from the client or the end of the last answer */
	struct wire wire;
	struct request *rq;
	struct source *source;
	struct client_body body;
	uint64_t written_seen;  /* of body.written: counted so far */
	uint64_t taken_armed;   /* by the client: when the send deadline was armed */
	uint64_t send_by_ms;    /* the client takes something before, or is cut */
	uint64_t rate_ms;       /* since when bytes wait for the client, as far as min_rate looks back; 0 = none do */
	uint64_t rate_taken;    /* by the client: then */
	size_t linger_bytes;    /* dropped so far */
	bool live;              /* live.c: between live_begin and live_end */
	struct pull_entry *pull; /* its row; NULL also when the table was full */
	const char *waits_shown; /* in that row */
};

/* Takes a connected socket.  0: it belongs to the new session.  -errno: it is still the caller's. */
MUST_CHECK int session_open(struct service *sv, int fd, const struct sockaddr *peer, socklen_t len);

/* Runs steps until the session has to wait.  May end it. */
void session_run(struct session *s);

/* Ends it when nothing is under way and it has been silent for a while, else after that silence. */
void session_drain(struct session *s);

/* --- for the steps (session_*.c) ----------------------------------------------------------------- */

const char *session_waits_for(const struct session *s);
/* The only writer of s->state: arms the deadline, keeps the gauges. */
void session_set(struct session *s, enum session_state state);
/* The source has a deadline of its own that has not come, however long nothing has moved: waits for that one.  Or it is at it
 * right now: waits anew.  False: it is overdue, or has none. */
bool session_source_is_due_later(struct session *s);
/* The client has taken all there was: min_rate looks at what it takes from now on. */
void session_client_kept_up(struct session *s);
/* Ends the session: FIN, everything returned.  Its memory goes with the loop's deferred work. */
enum step session_close(struct session *s);
/* Ends the session in the middle of an answer: RST, so that nothing passes for complete. Counts and logs. */
enum step session_abort(struct session *s, enum request_end end);
/* The same when the client's socket failed with error (-errno).  ETIMEDOUT: it took or acknowledged nothing for send_timeout, which the
 * kernel watches as well (TCP_USER_TIMEOUT). */
enum step session_client_lost(struct session *s, int error);
/* The answer is written into `out` or moved through it: flushes it, then goes on to the next request. */
enum step session_finish(struct session *s);
/* Answers rq->error; the connection goes on unless rq->close. */
enum step session_answer_error(struct session *s);
/* Lets go of the source; its facts stay in rq. */
void session_drop_source(struct session *s);
/* Begins the exchange for the head just parsed (sv->scratch). */
enum step session_begin(struct session *s);
/* The request is whole and admitted: asks the upstream. */
enum step session_fetch(struct session *s);
/* A token request has a form: reads it, then session_fetch. */
enum step session_read_form(struct session *s);
/* Half-closes and waits a little for the client to read the answer. */
enum step session_linger(struct session *s);

enum step step_hello(struct session *s);
enum step step_handshake(struct session *s);
enum step step_head(struct session *s);
enum step step_form(struct session *s);
enum step step_source(struct session *s);
enum step step_move(struct session *s);
enum step step_send(struct session *s);
enum step step_flush(struct session *s);
enum step step_linger(struct session *s);
enum step expire_handshake(struct session *s);
enum step expire_head(struct session *s);
enum step expire_form(struct session *s);
enum step expire_source(struct session *s);
enum step expire_move(struct session *s);

#endif
