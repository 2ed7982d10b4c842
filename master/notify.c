/* Words for the service manager (sd_notify(3)); nothing happens without one.  Master. */
#include <systemd/sd-daemon.h>

#include "clock.h"
#include "master_impl.h"

/* The failure of a reload stays in the status until one succeeds: the protocol has no other word for it. */
void notify_ready(const struct master *m)
{
	const char *error = m->reload.error;

	(void)sd_notifyf(0, "READY=1\nSTATUS=Relaying: %u workers, generation %u%s%.400s", m->current->workers,
	                 m->current->number, error[0] ? "; last reload refused: " : "", error);
}

void notify_reloading(void)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading",
	                 (unsigned long long)clock_us(CLOCK_MONOTONIC));
}

void notify_stopping(const struct master *m)
{
	(void)m;
	(void)sd_notify(0, "STOPPING=1\nSTATUS=Finishing running pulls");
}

/* READY, too: a reload that was under way is over. */
void notify_draining(void)
{
	(void)sd_notify(0, "READY=1\nSTATUS=Draining: finishing running pulls");
}

void notify_drained(void)
{
	(void)sd_notify(0, "STATUS=Drained: accepting nothing until undrain or stop");
}

/* A drain may take longer than the service manager's patience: each word buys some more. */
void notify_extend(void)
{
	(void)sd_notify(0, "EXTEND_TIMEOUT_USEC=15000000");
}

void notify_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}
