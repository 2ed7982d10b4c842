/* Reload: read aside, compare, bear a generation beside the old one, and swap when it serves.  Master.  At most one runs;
 * who asks meanwhile shares one further reload, whose file is read after they came. */
#ifndef RELOAD_H
#define RELOAD_H

#include <systemd/sd-event.h>

#include "conf.h"
#include "list.h"

struct generation;
struct master;
struct view_reload;
struct view_waiter;

struct reload {
	struct list waiters;      /* of the one that runs */
	struct list later;        /* of the next one */
	bool again;               /* a next one is wanted, maybe by nobody who waits */
	struct generation *next;  /* being born; NULL = none */
	struct generation *old;   /* swapped out, but may accept still; NULL = none */
	struct conf *held;        /* read and good, waiting for room; owned */
	struct conf_errors changed;
	sd_event_source *patience; /* for room or, with old, for its workers to accept no more */
	sd_event_source *restart;
	/* of the last one that was no dry run, or undrain */
	const char *result;       /* "none", "ok", "failed" */
	char error[1024];
	uint64_t at_wall_ms;
};

void reload_init(struct master *m);
/* When the loop is there.  0 or -errno. */
MUST_CHECK int reload_start(struct master *m);
/* w NULL = nobody waits (HUP). */
void reload_request(struct master *m, bool dry_run, struct view_waiter *w);
/* next serves: swaps.  True when g was being born by a reload. */
bool reload_served(struct master *m, struct generation *g);
/* g accepts nobody any more.  Nothing when g is not what a reload replaces. */
void reload_closed(struct master *m, struct generation *g);
/* next cannot start.  True when g was. */
bool reload_failed(struct master *m, struct generation *g, int exit, const char *why);
/* A generation has ended: there may be room now. */
void reload_room(struct master *m);
/* Ends a reload that runs, because of a drain or stop. */
void reload_abort(struct master *m, const char *why);
/* What came of reading the file, for status and metrics: it runs now (NULL), or why it does not. */
void reload_note(struct master *m, const char *why);
/* g, which serves, is the current one from now on, and what it runs with was read well.  m->conf is of the one before. */
void reload_adopt(struct master *m, struct generation *g);
void reload_view(const struct master *m, struct view_reload *ret);
void reload_done(struct master *m);

#endif
