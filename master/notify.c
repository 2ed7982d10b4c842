/* Words for the service manager (sd_notify(3)); nothing happens without one.  Master. */
#include <systemd/sd-daemon.h>

#include "master_impl.h"

void notify_ready(const struct master *m)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=Relaying: %u workers, generation %u", m->current->workers, m->current->number);
}

void notify_stopping(const struct master *m)
{
	(void)m;
	(void)sd_notify(0, "STOPPING=1\nSTATUS=Finishing running pulls");
}

void notify_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}
