/* The journal's native protocol (systemd.journal-fields(7)).  Any process. */
#include "log_journal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int log_journal_open(void)
{
	static const struct sockaddr_un journald = { .sun_family = AF_UNIX,
		                                     .sun_path = "/run/systemd/journal/socket" };
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&journald, sizeof(journald)) < 0)
		return -errno;
	return take_fd(&fd);
}

static void journal_key(struct log_out *o, const char *key)
{
	log_out_raw(o, SV("REGRELAY_"));
	for (; *key; key++) {
		char c = *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key == '.' ? '_' : *key;
		log_out_raw(o, sv_make(&c, 1));
	}
	log_out_raw(o, SV("="));
}

/* Every value is one line: bytes that would end it are escaped as in the text form. */
static void journal_value(struct log_out *o, struct strview s)
{
	for (size_t n; s.n; s = sv_from(s, n)) {
		for (n = 0; n < s.n && (unsigned char)s.p[n] >= 0x20 && (unsigned char)s.p[n] < 0x7f; n++)
			;
		log_out_raw(o, sv_make(s.p, n));
		if (n < s.n)
			log_out_hex(o, SV("\\x"), (unsigned char)s.p[n++]);
	}
	log_out_raw(o, SV("\n"));
}

size_t log_journal_render(const struct log_record *rec, char *line, size_t cap)
{
	struct log_out o = { .p = line, .cap = cap - 1 };

	log_out_raw(&o, SV("PRIORITY="));
	log_out_number(&o, rec->level);
	log_out_raw(&o, SV("\nSYSLOG_IDENTIFIER=regrelay\nREGRELAY_PROCESS="));
	log_out_raw(&o, sv_str(rec->process));
	log_out_raw(&o, SV("\n"));
	for (size_t i = 0; i < rec->count; i++) {
		const struct log_field *f = &rec->fields[i];
		if (o.cap - o.n < 64 + strlen(f->key) + 4 * f->text.n)
			continue; /* a field is whole or left out: a line without "=" would begin a binary field */
		if (f->kind == LOG_FIELD_EVENT) {
			log_out_raw(&o, SV("MESSAGE_ID="));
			journal_value(&o, sv_str(log_event_id(f->number)));
		}
		journal_key(&o, f->key);
		if (f->kind == LOG_FIELD_NUMBER) {
			log_out_number(&o, f->number);
			log_out_raw(&o, SV("\n"));
		} else {
			journal_value(&o, f->text);
		}
	}
	log_out_raw(&o, SV("MESSAGE="));
	journal_value(&o, rec->words);
	if (o.n && line[o.n - 1] != '\n')
		line[o.n++] = '\n';
	return o.n;
}

bool log_journal_send(int fd, const char *line, size_t n)
{
	ssize_t r;

	do
		r = send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r == (ssize_t)n;
}
