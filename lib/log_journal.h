/* The journal's native protocol: one datagram of FIELD=value lines to journald.  Any process; used by log.c only.
 * Written by hand because libsystemd belongs to the master and workers must open nothing after their start. */
#ifndef LOG_JOURNAL_H
#define LOG_JOURNAL_H

#include "log_text.h"

/* A connected, non-blocking datagram socket, or -errno.  The caller owns it. */
MUST_CHECK int log_journal_open(void);
/* Renders rec as fields; the length.  Keys become REGRELAY_KEY, upper-case, dots as underscores. */
size_t log_journal_render(const struct log_record *rec, char *line, size_t cap);
/* To journald, or any other socket that the log goes to.  True when it took it; false when its queue is full or it is gone. */
bool log_journal_send(int fd, const char *line, size_t n);

#endif
