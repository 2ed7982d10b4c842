/* The doctor: its clients, and the connections that all of its walks use.  Keeper. */
#include "doctor.h"

#include <errno.h>

#include "doctor_client.h"
#include "upstream.h"

struct doctor {
	struct heritage h; /* the keeper's, but who is woken is the keeper itself: it finds names and tokens */
	struct upstream *upstream;
	struct doctor_clients clients;
};

struct doctor *doctor_new(struct loop *l, const struct heritage *h, struct err *reterr)
{
	struct doctor *d = calloc(1, sizeof(*d));

	if (!d) {
		(void)err_sys(reterr, -ENOMEM, "cannot set up the doctor");
		return NULL;
	}
	d->h = *h;
	d->h.wake_others[0] = h->wake_fd;
	d->h.wakes = 1;
	d->upstream = upstream_new(l, &d->h, reterr);
	if (!d->upstream) {
		free(d);
		return NULL;
	}
	upstream_examine(d->upstream);
	doctor_clients_init(&d->clients, l, &d->h, d->upstream);
	return d;
}

void doctor_free(struct doctor *d)
{
	if (!d)
		return;
	upstream_free(d->upstream);
	free(d);
}

void doctor_take(struct doctor *d, int fd)
{
	doctor_clients_take(&d->clients, fd);
}

void doctor_news(struct doctor *d)
{
	upstream_news(d->upstream);
}

void doctor_stop(struct doctor *d)
{
	if (d)
		doctor_clients_done(&d->clients);
}
