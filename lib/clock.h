/* Time: deadlines and ages use the monotonic clock, only log stamps and certificates the wall clock. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_us(clockid_t which)
{
	struct timespec ts;

	(void)clock_gettime(which, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* Milliseconds since boot; never steps back. */
static inline uint64_t clock_now_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000u;
}

/* Milliseconds since 1970, for people. */
static inline uint64_t clock_wall_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000u;
}

#endif
