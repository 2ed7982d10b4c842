/* Log lines of every process: levels, formats and the sink.  Any process. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "log_journal.h"
#include "log_text.h"

static struct {
	enum log_format format;
	int fd;
	bool is_socket;
	char process[32];
	pid_t pid; /* 0 = log_set_process was not called yet */
	_Atomic int own_level;
	_Atomic int *level;
	_Atomic uint64_t own_drops;
	_Atomic uint64_t *drops;
} sink = { .format = LOG_FORMAT_TEXT, .fd = STDERR_FILENO, .own_level = LOG_LEVEL_INFO };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",   [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",     [LOG_LEVEL_DEBUG] = "debug",
};

static const char *const format_names[] = {
	[LOG_FORMAT_AUTO] = "auto", [LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json", [LOG_FORMAT_JOURNAL] = "journal",
};

int log_level_parse(struct strview s, enum log_level *ret_level)
{
	for (size_t i = LOG_LEVEL_ERROR; i < ARRAY_LEN(level_names); i++)
		if (sv_eq(s, sv_str(level_names[i]))) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return level >= LOG_LEVEL_ERROR && level <= LOG_LEVEL_DEBUG ? level_names[level] : "unknown";
}

int log_format_parse(struct strview s, enum log_format *ret_format)
{
	for (size_t i = 0; i < ARRAY_LEN(format_names); i++)
		if (sv_eq(s, sv_str(format_names[i]))) {
			*ret_format = (enum log_format)i;
			return 0;
		}
	return -EINVAL;
}

const char *log_format_name(enum log_format format)
{
	return format <= LOG_FORMAT_JOURNAL ? format_names[format] : "unknown";
}

static const struct {
	const char *name, *id;
} events[LOG_EVENTS] = {
#define EVENT(id, name, message_id) [LOG_EVENT_##id] = { name, message_id },
#include "log_events.def"
#undef EVENT
};

const char *log_event_name(int64_t event)
{
	return event >= 0 && event < LOG_EVENTS ? events[event].name : "";
}

const char *log_event_id(int64_t event)
{
	return event >= 0 && event < LOG_EVENTS ? events[event].id : "";
}

/* $JOURNAL_STREAM is "device:inode" of the stream; being set is not enough (it is inherited by children whose
 * stderr goes elsewhere). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2
	       && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A descriptor of our own on what stderr is: O_NONBLOCK belongs to the open file, and setting it on fd 2 itself
 * would change the terminal or pipe of whoever started us.  A regular file cannot block long, and a socket cannot be
 * opened, but takes MSG_DONTWAIT: fd 2 serves. */
static int sink_reopen(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode))
		return STDERR_FILENO;
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_APPEND);
	if (fd >= 0)
		return fd;
	/* A pipe of another user's: who writes into it beside us has to bear it, for a reader that stops must stop no pull. */
	const int flags = S_ISFIFO(st.st_mode) ? fcntl(STDERR_FILENO, F_GETFL) : -1;
	if (flags >= 0)
		(void)fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
	return STDERR_FILENO;
}

int log_open(enum log_format format, struct err *reterr)
{
	int fd;

	if (format == LOG_FORMAT_AUTO)
		format = stderr_is_journal()      ? LOG_FORMAT_JOURNAL
		         : isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT
		                                 : LOG_FORMAT_JSON;
	if (format == LOG_FORMAT_JOURNAL) {
		fd = log_journal_open();
		if (fd < 0)
			return err_sys(reterr, fd, "cannot reach the journal");
	} else {
		fd = sink_reopen();
	}
	if (sink.fd > STDERR_FILENO)
		(void)close(sink.fd);
	sink.fd = fd;
	sink.is_socket = is_socket(fd);
	sink.format = format;
	return 0;
}

int log_fd(void)
{
	return sink.fd;
}

void log_close(void)
{
	if (sink.fd > STDERR_FILENO)
		(void)close(sink.fd);
	sink.fd = STDERR_FILENO;
	sink.is_socket = is_socket(STDERR_FILENO);
	sink.format = LOG_FORMAT_TEXT;
}

void log_set_process(const char *name)
{
	(void)snprintf(sink.process, sizeof(sink.process), "%s", name);
	sink.pid = getpid(); /* once a process: a line costs no call for it */
}

void log_share_level(_Atomic int *level)
{
	sink.level = level;
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(sink.level ? sink.level : &sink.own_level, (int)level, memory_order_relaxed);
}

void log_count_drops(_Atomic uint64_t *drops)
{
	sink.drops = drops;
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(sink.level ? sink.level : &sink.own_level, memory_order_relaxed);
}

static bool sink_send(const char *line, size_t n)
{
	ssize_t r;

	if (sink.is_socket)
		return log_journal_send(sink.fd, line, n);
	do
		r = write(sink.fd, line, n);
	while (r < 0 && errno == EINTR);
	return r == (ssize_t)n;
}

void log_words(enum log_level level, const struct log_field *fields, size_t count, struct strview words)
{
	UNCLEARED char line[LOG_LINE_MAX];
	const struct log_record rec = {
		.level = level,
		.wall_ms = clock_wall_ms(),
		.process = sink.process,
		.pid = sink.pid ? sink.pid : getpid(),
		.fields = fields,
		.count = count,
		.words = words,
	};
	size_t len = sink.format == LOG_FORMAT_JSON      ? log_json_render(&rec, line, sizeof(line))
	             : sink.format == LOG_FORMAT_JOURNAL ? log_journal_render(&rec, line, sizeof(line))
	                                                 : log_text_render(&rec, line, sizeof(line));
	if (!sink_send(line, len))
		atomic_fetch_add_explicit(sink.drops ? sink.drops : &sink.own_drops, 1, memory_order_relaxed);
}

void log_line(enum log_level level, const struct log_field *fields, size_t count, const char *fmt, ...)
{
	UNCLEARED char words[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	if (n >= 0)
		log_words(level, fields, count, sv_str(words));
}
