/* The control socket: HTTP/1.1 and JSON on a Unix socket, for regctl and curl.  Master.  Rights are the socket's mode
 * and group; the peer's uid is logged with everything that changes state.  At most 64 clients; when full the oldest
 * without a complete request goes; lines, bodies and time are bounded: a stuck client never blocks the master. */
#ifndef CONTROL_H
#define CONTROL_H

#include <systemd/sd-event.h>

#include "view.h"

#define CONTROL_CLIENTS 64

struct control;

/* Binds conf->master.control with its mode and group; before the switch of user.  A live socket of another daemon
 * and anything that is no socket are refused (-EADDRINUSE, -EEXIST), a stale socket is replaced.  NULL with reterr
 * (a person reads it; names the path). */
struct control *control_open(const struct conf *conf, struct err *reterr);
/* Serves from e on.  m is borrowed and must live until control_close.  0 or -errno. */
MUST_CHECK int control_start(struct control *c, sd_event *e, struct master *m);
/* True while a client waits for an answer or has not hung up after one: the stop waits for them, <= 1 s. */
bool control_busy(const struct control *c);
/* Closes clients and socket and unlinks the path if it is still ours.  NULL is nothing. */
void control_close(struct control *c);
/* In a child: closes the descriptors, touches no path. */
void control_forget(struct control *c);

#endif
