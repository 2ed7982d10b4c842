/* How a log record becomes bytes: the text and JSON forms.  Any process; used by log.c only. */
#ifndef LOG_TEXT_H
#define LOG_TEXT_H

#include <sys/types.h>

#include "log.h"

#define LOG_LINE_MAX 4096 /* <= PIPE_BUF: lines of several processes in one pipe do not mix */

struct log_record {
	enum log_level level;
	uint64_t wall_ms;
	const char *process;
	pid_t pid;
	const struct log_field *fields;
	size_t count;
	struct strview words;
};

/* A bounded line under construction; what does not fit is cut. */
struct log_out {
	char *p;
	size_t cap, n; /* n <= cap */
};

static inline void log_out_raw(struct log_out *o, struct strview s)
{
	if (s.n > o->cap - o->n)
		s.n = o->cap - o->n;
	if (s.n)
		memcpy(o->p + o->n, s.p, s.n);
	o->n += s.n;
}

/* Control bytes, quotes, backslashes and bytes >= 0x80 become \xNN (text) or \u00NN (json). */
void log_out_text(struct log_out *o, struct strview s);
void log_out_json(struct log_out *o, struct strview s);
/* how and two hex digits; whole or not at all, for half an escape is not JSON. */
void log_out_hex(struct log_out *o, struct strview how, unsigned char c);
/* Not at all where the longest would not fit: a number that is cut is another one. */
void log_out_number(struct log_out *o, int64_t n);
/* RFC 3339 UTC with milliseconds. */
void log_out_time(struct log_out *o, uint64_t wall_ms);

/* Each renders one whole line with its newline into line[cap]; the length.  cap >= 256. */
size_t log_text_render(const struct log_record *rec, char *line, size_t cap);
size_t log_json_render(const struct log_record *rec, char *line, size_t cap);

#endif
