/* A loop with the upstream side of a process in it, and a scripted upstream on loopback in the same loop. */
#ifndef UPSTREAM_FIXTURE_H
#define UPSTREAM_FIXTURE_H

#include "fetch.h"
#include "transport.h"
#include "upstream_impl.h"

#define FAKE_CONNECTIONS 32
#define FAKE_STEPS       64
#define FAKE_REQUEST_MAX (64 * 1024)

enum fake_then { THEN_KEEP, THEN_CLOSE, THEN_RESET };

/* What the fake does with its next request, in order of arrival over all connections. */
struct fake_step {
	const char *send; /* NULL = nothing: it stays silent */
	enum fake_then then;
};

struct fake_conn {
	struct transport transport;
	char request[FAKE_REQUEST_MAX];
	size_t n;
	unsigned requests;
};

struct fixture {
	struct loop loop;
	struct shm *shm;
	struct heritage heritage;
	struct conf conf;
	struct conf_proxy proxy;
	struct conf_registry registry[3]; /* 0 and 2 share a key, 1 has another virtual host */
	struct upstream *upstream;
	struct stats_upstream *stats;     /* the proxy's, of this process */
	struct http_field extra;          /* one more field of the requests; empty = none */
	/* the fake */
	struct watch listen;
	int listen_fd;
	struct fake_conn *conn[FAKE_CONNECTIONS];
	unsigned conns, open;
	struct fake_step step[FAKE_STEPS];
	unsigned steps, steps_done;
	char last_request[FAKE_REQUEST_MAX];
	unsigned requests;
	bool listening;
};

/* Proxy on a free loopback port, direct addresses, timeouts of seconds.  upstream is made by fixture_begin,
 * after the test has changed what it wants to. */
struct fixture *fixture_new(void);
void fixture_begin(struct fixture *f);
void fixture_free(struct fixture *f);

/* Appends to the script. */
void fake_answers(struct fixture *f, const char *send, enum fake_then then);
/* Sends more on the n-th connection (from 0), or ends it. */
void fake_sends(struct fixture *f, unsigned conn, const char *bytes, size_t n);
void fake_ends(struct fixture *f, unsigned conn, bool reset);
/* Stops listening: connections are refused from now on. */
void fake_refuses(struct fixture *f);

/* Turns of the loop until the condition holds; the test fails after 10 s. */
#define TURN_UNTIL(f, condition)                                                                   \
	do {                                                                                       \
		uint64_t until_ = clock_now_ms() + 10000;                                          \
		while (!(condition)) {                                                             \
			assert_true(clock_now_ms() < until_);                                      \
			assert_int_equal(loop_turn(&(f)->loop, 20), 0);                            \
		}                                                                                  \
	} while (0)
/* Turns while anything happens: until nothing came for 20 ms. */
void settle(struct fixture *f);

/* --- a client of fetches ------------------------------------------------------------------------------- */

struct taking {
	struct sink sink;
	struct source *source;
	size_t room;       /* bytes the sink takes before it is full; SIZE_MAX = all */
	size_t step;       /* bytes of one source_move */
	char *got;         /* malloced */
	size_t n;
	unsigned calls;    /* of fn */
	bool head, failed, ended, cut;
	unsigned status;
	char content_type[64];
	struct fetch_facts facts;
};

/* Begins a pull of path; the pull reads its body by itself as it comes. */
struct taking *pull_new(struct fixture *f, unsigned registry, enum http_method method, const char *path,
                      bool urgent);
/* Room for more: moves on. */
void pull_read(struct taking *p, size_t room);
static inline bool pull_over(const struct taking *p)
{
	return p->failed || p->ended || p->cut;
}
void pull_free(struct taking *p);

#endif
