/* Confines a worker.  Worker. */
#include "worker_confine.h"

#include <errno.h>
#include <stdlib.h>

#include "conf.h"
#include "config.h"
#include "log.h"
#include "sandbox.h"

struct ports {
	uint16_t *port; /* owned */
	unsigned count;
};

static void add_hosts(struct ports *p, const struct conf_hosts *h)
{
	for (unsigned i = 0; i < h->count; i++)
		p->port[p->count++] = h->item[i].behind.port;
}

/* Of proxies, and of all hosts that are reached without one. */
static int collect_ports(const struct conf *c, struct ports *p)
{
	p->port = calloc(c->proxies + c->places + 1, sizeof(p->port[0]));
	if (!p->port)
		return -ENOMEM;
	for (unsigned i = 0; i < c->proxies; i++)
		p->port[p->count++] = c->proxy[i]->address.port;
	for (unsigned i = 0; i < c->registries; i++) {
		if (!c->registry[i]->proxy->direct)
			continue;
		add_hosts(p, &c->registry[i]->token_at);
		add_hosts(p, &c->registry[i]->redirect_at);
	}
	return 0;
}

/* Once a generation. */
static void tell(const struct heritage *h, const struct sandbox_parts *parts)
{
	if (h->number > 0)
		return;
#ifdef WITH_SANITIZERS
	log_info("workers are not confined: sanitizers need what would be taken away");
	return;
#endif
	if (parts->seccomp && parts->landlock)
		log_info("workers are confined by seccomp and Landlock (ABI %d)", parts->landlock);
	else
		log_warning("workers are confined by %s only: this kernel, or what it runs in, has no more",
		            parts->seccomp ? "seccomp" : parts->landlock ? "Landlock" : "their user's rights");
}

int worker_confine(const struct heritage *h, struct err *reterr)
{
	struct ports ports = { .count = 0 };
	struct sandbox_parts parts;

	if (h->conf->master.sandbox == CONF_SANDBOX_OFF)
		return 0;
	if (collect_ports(h->conf, &ports) < 0)
		return err_sys(reterr, -ENOMEM, "cannot confine a worker");
	const struct sandbox s = {
		.role = SANDBOX_WORKER,
		.reach = { .port = ports.port, .ports = ports.count },
		.denied = &h->stats->sandbox_denied,
		.required = h->conf->master.sandbox == CONF_SANDBOX_REQUIRED,
	};
	int r = sandbox_enter(&s, &parts, reterr);
	free(ports.port);
	if (r < 0)
		return r;
	stats_set(&h->stats->sandbox_seccomp, parts.seccomp);
	stats_set(&h->stats->sandbox_landlock, parts.landlock > 0);
	tell(h, &parts);
	return 0;
}
