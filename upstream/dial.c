/* Where to connect to: names from shared memory, addresses in turn.  Worker and keeper. */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

static int use_literal(struct dial *d, const struct url_hostport *at)
{
	struct names_address *a = &d->address[0];

	a->family = at->v6 ? 6 : 4;
	if (inet_pton(at->v6 ? AF_INET6 : AF_INET, at->host, a->bytes) != 1) {
		(void)snprintf(d->text, sizeof(d->text), "not an address");
		return -ENOENT;
	}
	d->count = 1;
	return 0;
}

static int use_name(struct dial *d, const struct upstream *u, int name_index)
{
	struct names_entry e;

	if (name_index >= SHM_NAMES)
		return -EAGAIN;
	if (names_read(&u->heritage->shm->names[u->heritage->gen_index][name_index], &e) < 0
	    || e.state == NAMES_PENDING)
		return -EAGAIN;
	if (e.state != NAMES_GOOD || e.count == 0) {
		(void)snprintf(d->text, sizeof(d->text), "%s", e.error[0] ? e.error : "it has no address");
		return -ENOENT;
	}
	d->count = e.count;
	memcpy(d->address, e.address, sizeof(d->address));
	return 0;
}

int dial_lookup(struct dial *d, const struct upstream *u, const struct pool_key *key, unsigned turn)
{
	const struct conf_proxy *proxy = key->pool->proxy;
	const struct url_hostport *at = proxy->direct ? key->target : &proxy->address;
	const int name_index = proxy->direct ? key->name_index : proxy->name_index;

	*d = (struct dial){ .port = at->port };
	int r = name_index < 0 ? use_literal(d, at) : use_name(d, u, name_index);
	if (r < 0)
		return r;
	d->first = turn % d->count;
	return 0;
}

int dial_next(struct dial *d, struct conn *c)
{
	struct sockaddr_storage sa;
	socklen_t len;

	while (d->tried < d->count) {
		const struct names_address *a = &d->address[(d->first + d->tried++) % d->count];
		if (!names_sockaddr(a, d->port, &sa, &len)) {
			d->error = -EAFNOSUPPORT;
			continue;
		}
		int r = conn_connect(c, (const struct sockaddr *)&sa, len);
		if (r == 0)
			return 0;
		d->error = r;
	}
	return d->error ? d->error : -EADDRNOTAVAIL;
}

uint64_t dial_share_ms(const struct dial *d, uint64_t left_ms)
{
	/* tried counts the one under way */
	return left_ms / (d->count - d->tried + 1);
}
