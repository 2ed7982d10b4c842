/* How a log record becomes bytes: the text and JSON forms.  Any process. */
#include "log_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void log_out_raw(struct log_out *o, struct strview s)
{
	size_t n = s.n < o->cap - o->n ? s.n : o->cap - o->n;

	if (n)
		memcpy(o->p + o->n, s.p, n);
	o->n += n;
}

static void escape(struct log_out *o, unsigned char c, const char *how)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%s%02x", how, c);
	if (o->cap - o->n >= strlen(text)) /* whole or not at all: half an escape is not JSON */
		log_out_raw(o, sv_str(text));
}

static void out_escaped(struct log_out *o, struct strview s, const char *how)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			escape(o, c, how);
		else
			log_out_raw(o, sv_make(s.p + i, 1));
	}
}

void log_out_text(struct log_out *o, struct strview s)
{
	out_escaped(o, s, "\\x");
}

void log_out_json(struct log_out *o, struct strview s)
{
	out_escaped(o, s, "\\u00");
}

void log_out_number(struct log_out *o, int64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, n);
	log_out_raw(o, sv_str(text));
}

void log_out_time(struct log_out *o, uint64_t wall_ms)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	char text[48];

	(void)gmtime_r(&s, &tm);
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(wall_ms % 1000));
	log_out_raw(o, sv_str(text));
}

static bool text_needs_quotes(struct strview s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || (unsigned char)s.p[i] >= 0x7f)
			return true;
	return s.n == 0;
}

static void text_field(struct log_out *o, const struct log_field *f)
{
	log_out_raw(o, SV(" "));
	log_out_raw(o, sv_str(f->key));
	log_out_raw(o, SV("="));
	if (f->kind == LOG_FIELD_NUMBER) {
		log_out_number(o, f->number);
		return;
	}
	bool quotes = text_needs_quotes(f->text);
	if (quotes)
		log_out_raw(o, SV("\""));
	log_out_text(o, f->text);
	if (quotes)
		log_out_raw(o, SV("\""));
}

/* Words are ours, but they quote peers: only the bytes that would forge a line are escaped. */
static void text_words(struct log_out *o, struct strview s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c >= 0x7f)
			escape(o, c, "\\x");
		else
			log_out_raw(o, sv_make(s.p + i, 1));
	}
}

size_t log_text_render(const struct log_record *rec, char *line, size_t cap)
{
	struct log_out o = { .p = line, .cap = cap - 1 }; /* room for the newline */
	char who[64];

	log_out_time(&o, rec->wall_ms);
	log_out_raw(&o, SV(" "));
	log_out_raw(&o, sv_str(log_level_name(rec->level)));
	(void)snprintf(who, sizeof(who), " %s[%d]", rec->process, (int)rec->pid);
	log_out_raw(&o, sv_str(who));
	for (size_t i = 0; i < rec->count; i++)
		text_field(&o, &rec->fields[i]);
	log_out_raw(&o, SV(" "));
	text_words(&o, rec->words);
	line[o.n++] = '\n';
	return o.n;
}

size_t log_json_render(const struct log_record *rec, char *line, size_t cap)
{
	struct log_out o = { .p = line, .cap = cap - 3 }; /* room for what closes the line */

	log_out_raw(&o, SV("{\"time\":\""));
	log_out_time(&o, rec->wall_ms);
	log_out_raw(&o, SV("\",\"level\":\""));
	log_out_raw(&o, sv_str(log_level_name(rec->level)));
	log_out_raw(&o, SV("\",\"process\":\""));
	log_out_json(&o, sv_str(rec->process));
	log_out_raw(&o, SV("\",\"pid\":"));
	log_out_number(&o, rec->pid);
	for (size_t i = 0; i < rec->count; i++) {
		const struct log_field *f = &rec->fields[i];
		if (o.cap - o.n < 64 + strlen(f->key) + 6 * f->text.n)
			continue; /* a field is whole or left out; the line stays JSON */
		log_out_raw(&o, SV(",\""));
		log_out_raw(&o, sv_str(f->key));
		log_out_raw(&o, SV("\":"));
		if (f->kind == LOG_FIELD_NUMBER) {
			log_out_number(&o, f->number);
			continue;
		}
		log_out_raw(&o, SV("\""));
		log_out_json(&o, f->text);
		log_out_raw(&o, SV("\""));
	}
	if (o.cap - o.n > 16) {
		log_out_raw(&o, SV(",\"message\":\""));
		log_out_json(&o, rec->words);
		line[o.n++] = '"';
	}
	line[o.n++] = '}';
	line[o.n++] = '\n';
	return o.n;
}
