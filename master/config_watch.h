/* Reloads that nobody asks for.  Watches the directory of the configuration for the swap by which Kubernetes replaces a mounted ConfigMap (the symbolic
 * link ..data is renamed over; a watch on the file itself dies with the first one), and asks for a reload when the
 * file's bytes are other than those in effect, and than those it was refused last.  Somebody's editor is not that: who edits asks for the reload.  The files
 * that it names (credentials, certificates) are looked at every second, however they come to change: nobody edits those by
 * halves.  A swap that was refused is looked at again: what was missing may have come.  Master. */
#ifndef CONFIG_WATCH_H
#define CONFIG_WATCH_H

#include <systemd/sd-event.h>

#include "view.h"

struct config_watch {
	struct view_waiter waiter;   /* of the reload it asked for; in no list otherwise */
	sd_event_source *directory;  /* NULL = it is gone; looked for again */
	sd_event_source *look;       /* the moment to read */
	sd_event_source *files;      /* the moment to look at the files that are named */
	uint64_t fingerprint;        /* theirs */
	bool refused;                /* what was asked for last was no good configuration: is it by now? */
	struct {
		char conf[65], files[65];
	} tried;                     /* hashes of what the last own reload was asked for; "" = none */
};

/* Begins, when m's loop and configuration are there.  A directory that cannot be watched is told in the log and tried
 * again; 0 or -errno of the loop. */
MUST_CHECK int config_watch_start(struct master *m);
void config_watch_stop(struct config_watch *w);

#endif
