/* Connections of the admin endpoint: one request each, then they are closed.  Keeper.
 * Everything is bounded: clients, heads, answers in memory, time (admin_states.def). */
#ifndef ADMIN_CLIENT_H
#define ADMIN_CLIENT_H

#include "heritage.h"
#include "loop.h"

#define ADMIN_CLIENTS   256  /* when full, the oldest without a complete request goes */
#define ADMIN_HEAD_MAX  4096 /* bytes of a request head */
#define ADMIN_PAGES_MAX 16   /* answers in memory; when full, that of the oldest client is cut */

struct admin_clients {
	struct loop *loop;
	const struct heritage *h;
	struct list all; /* struct admin_client, oldest first */
	unsigned count;
};

void admin_clients_init(struct admin_clients *c, struct loop *l, const struct heritage *h);
/* Takes over fd (connected, NONBLOCK), whatever happens. */
void admin_clients_take(struct admin_clients *c, int fd);
/* True: one of them has not been answered yet, or not been asked. */
bool admin_clients_wait(const struct admin_clients *c);
/* Closes all.  Their memory is freed by the loop's next turn. */
void admin_clients_done(struct admin_clients *c);

#endif
