/* Confines a worker.  Worker. */
#include "worker_confine.h"

#include "conf.h"
#include "config.h"
#include "log.h"
#include "sandbox.h"

static unsigned collect_ports(const struct conf *c, uint16_t *port)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->proxies; i++)
		port[n++] = c->proxy[i]->address.port;
	return n;
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
	uint16_t port[CONF_PROXIES + CONF_REGISTRIES];
	struct sandbox_parts parts;
	const struct sandbox s = {
		.role = SANDBOX_WORKER,
		.reach = { .port = port, .ports = collect_ports(h->conf, port) },
		.denied = &h->stats->sandbox_denied,
		.required = h->conf->master.sandbox == CONF_SANDBOX_REQUIRED,
	};

	if (h->conf->master.sandbox == CONF_SANDBOX_OFF)
		return 0;
	int r = sandbox_enter(&s, &parts, reterr);
	if (r < 0)
		return r;
	stats_set(&h->stats->sandbox_seccomp, parts.seccomp);
	stats_set(&h->stats->sandbox_landlock, parts.landlock > 0);
	tell(h, &parts);
	return 0;
}
