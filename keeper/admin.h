/* The admin endpoint: accepts on the admin listeners while its generation serves.  Keeper. */
#ifndef ADMIN_H
#define ADMIN_H

#include "admin_client.h"

struct admin_listener {
	struct watch watch;
	struct admin *admin;
};

struct admin {
	struct admin_clients clients;
	struct admin_listener listener[HERITAGE_LISTENERS];
	struct timer pause; /* armed: accepting waits for descriptors */
	bool open, left;    /* left: for good */
};

void admin_init(struct admin *a, struct loop *l, const struct heritage *h);
/* Accepts from now on; twice is once, and after admin_leave it is nothing.  0, or -errno with reterr: it accepts nowhere. */
MUST_CHECK int admin_open(struct admin *a, struct err *reterr);
/* Accepts no more; whom it has accepted is still answered.  The listeners stay: they are the master's. */
void admin_close(struct admin *a);
/* The same, and gives up the descriptors: an address that nobody else has then is free again. */
void admin_leave(struct admin *a);
/* As admin_close, and closes all clients; their memory is freed by the loop's next turn. */
void admin_done(struct admin *a);

#endif
