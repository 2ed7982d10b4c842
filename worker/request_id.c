/* Ids that tie the lines of one request together, here and at the registry.  Worker. */
#include "request_id.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "clock.h"

#define ID_BYTES 16

bool request_id_ok(struct strview s)
{
	static const char others[] = "._:/+=-";

	if (s.n == 0 || s.n > 128)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && !memchr(others, c, sizeof(others) - 1))
			return false;
	}
	return true;
}

/* Random bytes come in one system call for many ids.  An id is no secret: when the kernel has none to give, a
 * count and the clock do. */
static void random_bytes(uint8_t dst[ID_BYTES])
{
	static uint8_t pool[16 * ID_BYTES];
	static size_t left;
	static uint64_t count;

	if (left == 0 && getrandom(pool, sizeof(pool), GRND_NONBLOCK) == (ssize_t)sizeof(pool))
		left = sizeof(pool);
	if (left == 0) {
		const uint64_t made[2] = { clock_us(CLOCK_MONOTONIC), ++count };
		memcpy(dst, made, ID_BYTES);
		return;
	}
	left -= ID_BYTES;
	memcpy(dst, pool + left, ID_BYTES);
}

void request_id_make(char dst[REQUEST_ID_MADE])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[ID_BYTES];

	random_bytes(bytes);
	for (size_t i = 0; i < ID_BYTES; i++) {
		dst[2 * i] = hex[bytes[i] >> 4];
		dst[2 * i + 1] = hex[bytes[i] & 15];
	}
	dst[2 * ID_BYTES] = '\0';
}
