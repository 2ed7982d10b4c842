/* How a log record becomes bytes: the text and JSON forms.  Any process. */
#include "log_text.h"

#include <time.h>

#include "num.h"

/* What stands for itself wherever text is quoted: printable ASCII but the quote and the backslash. */
static const bool plain[256] = { [0x20 ... '"' - 1] = true, ['"' + 1 ... '\\' - 1] = true, ['\\' + 1 ... 0x7e] = true };

void log_out_hex(struct log_out *o, struct strview how, unsigned char c)
{
	static const char digit[] = "0123456789abcdef";

	if (o->cap - o->n < how.n + 2)
		return;
	log_out_raw(o, how);
	o->p[o->n++] = digit[c >> 4];
	o->p[o->n++] = digit[c & 15];
}

static void out_escaped(struct log_out *o, struct strview s, struct strview how)
{
	size_t n;

	for (; s.n; s = sv_from(s, n)) {
		for (n = 0; n < s.n && plain[(unsigned char)s.p[n]]; n++)
			;
		log_out_raw(o, sv_make(s.p, n));
		if (n < s.n)
			log_out_hex(o, how, (unsigned char)s.p[n++]);
	}
}

void log_out_text(struct log_out *o, struct strview s)
{
	out_escaped(o, s, SV("\\x"));
}

void log_out_json(struct log_out *o, struct strview s)
{
	out_escaped(o, s, SV("\\u00"));
}

void log_out_number(struct log_out *o, int64_t n)
{
	if (o->cap - o->n < 1 + NUM_DIGITS)
		return;
	if (n < 0)
		o->p[o->n++] = '-';
	o->n += num_put(o->p + o->n, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

/* Lines come by the thousand in a second, which is written out once.  One thread. */
static struct strview written_second(time_t s)
{
	static time_t written = -1;
	static char text[48];
	static size_t n;
	struct tm tm;

	if (s != written) {
		(void)gmtime_r(&s, &tm);
		n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		written = s;
	}
	return sv_make(text, n);
}

void log_out_time(struct log_out *o, uint64_t wall_ms)
{
	const unsigned ms = (unsigned)(wall_ms % 1000);
	const char fraction[] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z' };

	log_out_raw(o, written_second((time_t)(wall_ms / 1000)));
	log_out_raw(o, sv_make(fraction, sizeof(fraction)));
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
			log_out_hex(o, SV("\\x"), c);
		else
			log_out_raw(o, sv_make(s.p + i, 1));
	}
}

size_t log_text_render(const struct log_record *rec, char *line, size_t cap)
{
	struct log_out o = { .p = line, .cap = cap - 1 }; /* room for the newline */

	log_out_time(&o, rec->wall_ms);
	log_out_raw(&o, SV(" "));
	log_out_raw(&o, sv_str(log_level_name(rec->level)));
	log_out_raw(&o, SV(" "));
	log_out_raw(&o, sv_str(rec->process));
	log_out_raw(&o, SV("["));
	log_out_number(&o, rec->pid);
	log_out_raw(&o, SV("]"));
	for (size_t i = 0; i < rec->count; i++)
		text_field(&o, &rec->fields[i]);
	log_out_raw(&o, SV(" "));
	text_words(&o, rec->words);
	line[o.n++] = '\n';
	return o.n;
}

/* There is room for it. */
static void json_key(struct log_out *o, struct strview key)
{
	char *p = o->p + o->n;

	*p++ = ',';
	*p++ = '"';
	memcpy(p, key.p, key.n);
	p += key.n;
	*p++ = '"';
	*p++ = ':';
	o->n = (size_t)(p - o->p);
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
		const struct strview key = sv_str(f->key);
		if (o.cap - o.n < 64 + key.n + 6 * f->text.n)
			continue; /* a field is whole or left out; the line stays JSON */
		json_key(&o, key);
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
