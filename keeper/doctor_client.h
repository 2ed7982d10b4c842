/* A client of the doctor: one request, one walk, one answer, whole or line by line.  Keeper.  States: doctor_states.def. */
#ifndef DOCTOR_CLIENT_H
#define DOCTOR_CLIENT_H

#include "doctor.h"

struct upstream;

struct doctor_clients {
	struct loop *loop;
	const struct heritage *h;
	struct upstream *upstream;
	struct list all; /* struct doctor_client, oldest first */
	unsigned count, walks;
};

void doctor_clients_init(struct doctor_clients *c, struct loop *l, const struct heritage *h, struct upstream *u);
/* Takes over fd (connected, NONBLOCK), whatever happens.  Of the request MSG_DOCTOR_READ has been read already. */
void doctor_clients_take(struct doctor_clients *c, int fd);
/* Closes all.  Their memory is freed by the loop's next turn. */
void doctor_clients_done(struct doctor_clients *c);

#endif
