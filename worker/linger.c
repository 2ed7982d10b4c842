/* The end of a connection after an answer: close() with unread bytes would send a reset, which destroys an
 * answer the client has not read yet.  So: our FIN first, then read and drop, for a short time and a few
 * bytes.  Worker. */
#include <errno.h>

#include "session.h"

#define LINGER_BYTES (64 * 1024)

enum step session_linger(struct session *s)
{
	buf_return(&s->in, &s->sv->heads);
	if (transport_shut(&s->client) < 0)
		return session_close(s);
	s->linger_bytes = 0;
	session_set(s, SESSION_LINGER);
	return STEP_AGAIN;
}

enum step step_linger(struct session *s)
{
	char dropped[4096];

	while (s->client.readable) {
		ssize_t n = transport_read(&s->client, dropped, sizeof(dropped));
		if (n == -EAGAIN)
			break;
		if (n <= 0)
			return session_close(s);
		s->linger_bytes += (size_t)n;
		if (s->linger_bytes > LINGER_BYTES)
			return session_close(s);
	}
	return STEP_WAIT;
}
