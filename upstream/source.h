/* What joins a session to where its answer comes from: a head, then body bytes, or a failure.  A fetch is the only
 * source today; a spool file or a cache can stand behind the same verbs.  Worker. */
#ifndef SOURCE_H
#define SOURCE_H

#include "errors.h"
#include "http_head.h"

struct source;

/* Where body bytes go: the client's side.  put takes some of the bytes (framing them as it must). */
struct sink {
	/* >= 0 bytes taken (0 only for an empty piece); -EAGAIN = full, wait for the client; -errno = client gone. */
	ssize_t (*put)(struct sink *s, struct strview bytes);
	/* The same for n > 0 bytes that a pipe holds, without a copy; pipe is its read end.  NULL, or may_pipe false: they
	 * must come by put.  What may_pipe says holds for the whole of an answer. */
	ssize_t (*put_pipe)(struct sink *s, int pipe, size_t n);
	bool (*may_pipe)(const struct sink *s);
	/* How much put would take now; 0 = little, or not known.  All of it but 64 KiB at least, except where may_pipe: there it
	 * is a good guess.  NULL = never known. */
	size_t (*room)(const struct sink *s);
};

enum source_state {
	SOURCE_WAITING, /* no head yet; source_waits_for says for what */
	SOURCE_HEAD,    /* source_head is there; source_move gives the body */
	SOURCE_FAILED   /* before the head: source_failure says why */
};

enum move_result {
	MOVE_SOME,        /* moved all it could of max: call again when there is time */
	MOVE_END,         /* the body is complete */
	MOVE_WAIT_SOURCE, /* nothing there now; the source calls fn when there is */
	MOVE_WAIT_SINK,   /* the sink is full */
	MOVE_CUT,         /* the source broke off: the body is incomplete and stays so; source_failure says why */
	MOVE_SINK_FAILED  /* the sink's error is in *ret_errno */
};

typedef void source_fn(struct source *s); /* state changed or body bytes came; may be called after every event */

struct source_ops {
	enum move_result (*move)(struct source *s, struct sink *to, size_t max, size_t *ret_moved, int *ret_errno);
	void (*free)(struct source *s);
};

struct source_failure {
	enum error_id id;
	char text[ERROR_TEXT_MAX]; /* rendered, for the client and the log */
};

struct source {
	const struct source_ops *ops;
	source_fn *fn;             /* the session's */
	void *owner;               /* for fn: set by the session after the start, not touched by the source */
	enum source_state state;
	const struct http_head *head; /* from SOURCE_HEAD until the first source_move; not after */
	enum http_framing framing; /* of the body as the source gets it */
	uint64_t length;           /* when framing is HTTP_BODY_LENGTH */
	uint64_t moved;            /* body bytes given so far */
	struct source_failure failure;
	const char *waits_for;     /* static text: what it waits for now */
	uint64_t due_ms;           /* when its own deadline falls (CLOCK_MONOTONIC); 0 = it has none now */
};

/* Moves up to max body bytes into the sink.  May be called as soon as state is SOURCE_HEAD, also for bodies of
 * length 0 (then MOVE_END). */
static inline enum move_result source_move(struct source *s, struct sink *to, size_t max, size_t *ret_moved,
                                           int *ret_errno)
{
	return s->ops->move(s, to, max, ret_moved, ret_errno);
}

/* Ends it: a body not moved to its end closes the upstream connection, a complete one returns it to the pool.
 * fn is not called any more; the memory goes with the loop's deferred work.  NULL is nothing. */
static inline void source_free(struct source *s)
{
	if (s)
		s->ops->free(s);
}

#endif
