/* Log lines of every process.  One line per fact, <= 4096 bytes: fields first, then words.
 *   text     2026-01-02T03:04:05.678Z warning worker/2[4711] sess=42 proxy unreachable, retrying
 *   json     {"time":"...","level":"warning","message":"...","process":"worker/2","pid":4711,"sess":42}
 *   journal  native fields, upper-case, REGRELAY_ in front of our own
 * The sink is opened once, before the fork; a sink that is full drops the line and counts it, so that a
 * blocked reader never blocks a pull.  Bytes from peers are escaped.  No secrets: callers never hand any in. */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

#include "err.h"
#include "strview.h"

enum log_level { /* the numbers are syslog's */
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL };

enum log_event {
#define EVENT(id, name, message_id) LOG_EVENT_##id,
#include "log_events.def"
#undef EVENT
	LOG_EVENTS
};

struct log_field {
	const char *key;     /* [a-z0-9._]+, static */
	struct strview text; /* used when key names a text */
	int64_t number;
	enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_EVENT } kind; /* an event has both: its name, and its enum log_event */
};

#define LF_STR(k, s)  { .key = (k), .text = sv_str(s), .kind = LOG_FIELD_TEXT }
#define LF_SV(k, v)   { .key = (k), .text = (v), .kind = LOG_FIELD_TEXT }
#define LF_INT(k, n)  { .key = (k), .number = (int64_t)(n), .kind = LOG_FIELD_NUMBER }
/* LF_EVENT(STARTED): what happened, for tools (log_events.def). */
#define LF_EVENT(id)                                                                                       \
	{ .key = "event", .text = sv_str(log_event_name(LOG_EVENT_##id)), .number = LOG_EVENT_##id,        \
	  .kind = LOG_FIELD_EVENT }

/* Names and numbers both ways; -EINVAL: no such name. */
MUST_CHECK int log_level_parse(struct strview s, enum log_level *ret_level);
const char *log_level_name(enum log_level level);
MUST_CHECK int log_format_parse(struct strview s, enum log_format *ret_format);
const char *log_format_name(enum log_format format);
/* "started" ...; a number that is no event: "". */
const char *log_event_name(int64_t event);
/* Its MESSAGE_ID, 32 hex digits; likewise. */
const char *log_event_id(int64_t event);

/* Opens the sink on stderr (or the journal) for this process and its children.  AUTO: journal when
 * $JOURNAL_STREAM names our stderr, text on a terminal, else JSON.  Called again it replaces the format.
 * 0 or -errno with reterr; on failure the log stays as it was (at first: text on fd 2). */
MUST_CHECK int log_open(enum log_format format, struct err *reterr);

/* The sink's descriptor, for those who close all others; owned by the log. */
int log_fd(void);
/* Closes what log_open opened: at the end of a process.  Lines go to fd 2 as text from then on. */
void log_close(void);

/* Who speaks: "master", "worker/2", "keeper"; copied (31 bytes).  After every fork. */
void log_set_process(const char *name);
/* The level is read from *level (shared memory: one store changes all processes); NULL = the private one. */
void log_share_level(_Atomic int *level);
void log_set_level(enum log_level level);
/* Where dropped lines are counted; NULL = nowhere.  One writer. */
void log_count_drops(_Atomic uint64_t *drops);

bool log_wants(enum log_level level);

/* Writes one line.  Never blocks, never fails visibly. */
void log_line(enum log_level level, const struct log_field *fields, size_t count, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same with words that are there already. */
void log_words(enum log_level level, const struct log_field *fields, size_t count, struct strview words);

/* log_fields(LEVEL, FIELDS(LF_INT("sess", id), ...), "words %s", ...) */
#define FIELDS(...)                                                                                \
	(const struct log_field[]){ __VA_ARGS__ },                                                 \
		ARRAY_LEN(((const struct log_field[]){ __VA_ARGS__ }))
#define log_fields(level, ...)                                                                     \
	do {                                                                                       \
		if (log_wants(level))                                                              \
			log_line(level, __VA_ARGS__);                                              \
	} while (0)

#define log_error(...)   log_fields(LOG_LEVEL_ERROR, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_fields(LOG_LEVEL_WARNING, NULL, 0, __VA_ARGS__)
#define log_notice(...)  log_fields(LOG_LEVEL_NOTICE, NULL, 0, __VA_ARGS__)
#define log_info(...)    log_fields(LOG_LEVEL_INFO, NULL, 0, __VA_ARGS__)
#define log_debug(...)   log_fields(LOG_LEVEL_DEBUG, NULL, 0, __VA_ARGS__)

#endif
