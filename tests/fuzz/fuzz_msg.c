/* Messages between master and children: whatever a child sends, the master takes a whole message or none. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int master, child;
	struct msg m;

	if (size < 1 || size > 8192)
		return 0;
	FUZZ_ASSERT(msg_pair(&master, &child) == 0);
	const enum msg_side from = data[0] & 1 ? MSG_FROM_MASTER : MSG_FROM_CHILD;
	FUZZ_ASSERT(send(child, data + 1, size - 1, MSG_NOSIGNAL) >= 0);
	const int r = msg_receive(master, from, data[0] & 2 ? 1 : 0, &m);
	FUZZ_ASSERT(r == 1 || r == 0 || r == -EBADMSG || r == -ESTALE || r == -EAGAIN);
	if (r == 1) {
		FUZZ_ASSERT(msg_name(m.head.type) && msg_name(m.head.type)[0]);
		if (m.head.type == MSG_REFUSED)
			FUZZ_ASSERT(memchr(m.u.refused.reason, '\0', sizeof(m.u.refused.reason)));
	}
	(void)close(master);
	(void)close(child);
	return 0;
}
