/* One POST of a form over TLS, and the answer, small and whole.  Keeper: this is how it gets tokens.
 *
 * Own code and no HTTP library: the heads go through the same gate as all others here, names through the keeper's own
 * resolver, and all is done in the keeper's loop without a thread. */
#ifndef POST_H
#define POST_H

#include "lookup.h"
#include "post_answer.h"
#include "tls_transport.h"
#include "url.h"

struct post;
typedef void post_fn(struct post *p);

enum post_state {
#define S(state, why) POST_##state,
#include "post_states.def"
#undef S
	POST_STATES
};

struct post {
	/* what came of the last one; valid from the call of fn to the next post_start */
	unsigned status;      /* of the answer; 0 = none came, and error says why */
	struct strview body;  /* of the answer */
	char error[160];      /* one line, no secrets */
	bool final;           /* of an error: one side does not accept what the other is or can, and will not the next time */

	/* the one that runs */
	struct loop *loop;
	post_fn *fn;
	enum post_state state;
	struct lookup lookup;
	struct timer deadline, dial_deadline;
	struct deferred finish;
	struct url_hostport at;
	const struct tls_context *tls;
	uint64_t budget_ms;
	struct names_address address[SHM_ADDRESSES];
	unsigned addresses, next;
	int dialling;           /* -1 = no socket is connecting */
	struct watch dial;
	struct transport transport; /* TLS's, once it is connected */
	struct bufpool bufs;
	struct buf out, in, text; /* request; what was read; the body taken from it */
	struct post_answer answer;
};

/* tuning may be NULL. */
void post_init(struct post *p, struct loop *l, const struct lookup_tuning *tuning, post_fn *fn);
/* Asks at for path with the form.  tls is borrowed until fn is called, the
 * rest is copied.  fn is called once, never from within, within budget_ms; it may start the next one.  Not while one runs. */
void post_start(struct post *p, const struct url_hostport *at, const char *path, struct strview form, const struct tls_context *tls,
                uint64_t budget_ms);
/* Ends it without a call of fn, and clears what was secret.  Nothing when none runs.  p's memory may go only after a turn
 * of the loop. */
void post_stop(struct post *p);

#endif
