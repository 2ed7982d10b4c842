/* The clients of the control socket: one request, one answer each, never blocking.  Master. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <systemd/sd-event.h>

#include "control_http.h"
#include "list.h"
#include "view.h"

#define CONTROL_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10) /* behind signals, children and their messages */

struct control_clients {
	struct list all;         /* oldest first */
	unsigned count;
	sd_event *event;         /* borrowed */
	struct master *master;   /* borrowed */
};

void control_clients_init(struct control_clients *set);
/* Serves fd.  Takes it over in any case; on failure (-ENOMEM, ...) it is closed. */
MUST_CHECK int control_client_open(struct control_clients *set, int fd);
/* Makes room for one more: ends the oldest that has its answer, else the oldest without a complete request, else the oldest.
 * One that has just come gets some time to send its request, or a crowd could keep everybody from being heard.  0 = there
 * is room; else try again in so many ms. */
MUST_CHECK unsigned control_clients_evict(struct control_clients *set);
/* True while one waits for an answer or has not hung up after it.  One that watches the end is not counted. */
bool control_clients_busy(const struct control_clients *set);
void control_clients_close(struct control_clients *set);
/* In a child: closes the descriptors only; the event loop is the master's. */
void control_clients_forget(struct control_clients *set);

#endif
