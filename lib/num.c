/* Strict reading of numbers.  Any process. */
#include "num.h"

#include <errno.h>

#define DURATION_MAX_MS (100ull * 366 * 86400 * 1000)

int num_u64(struct strview s, uint64_t max, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		unsigned digit = (unsigned)(s.p[i] - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	if (v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

int num_size(struct strview s, uint64_t *ret_bytes)
{
	uint64_t v, unit = 1;

	if (s.n == 0)
		return -EINVAL;
	switch (s.p[s.n - 1]) {
	case 'K': case 'k': unit = 1ull << 10; s.n--; break;
	case 'M': case 'm': unit = 1ull << 20; s.n--; break;
	case 'G': case 'g': unit = 1ull << 30; s.n--; break;
	default: break;
	}
	int r = num_u64(s, UINT64_MAX / unit, &v);
	if (r < 0)
		return r;
	*ret_bytes = v * unit;
	return 0;
}

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "ms", 1 }, { "msec", 1 },
	{ "", 1000 }, { "s", 1000 }, { "sec", 1000 }, { "second", 1000 }, { "seconds", 1000 },
	{ "m", 60000 }, { "min", 60000 }, { "minute", 60000 }, { "minutes", 60000 },
	{ "h", 3600000 }, { "hr", 3600000 }, { "hour", 3600000 }, { "hours", 3600000 },
	{ "d", 86400000 }, { "day", 86400000 }, { "days", 86400000 },
};

static size_t span(struct strview s, const char *set)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != '\0' && strchr(set, s.p[i]))
		i++;
	return i;
}

static uint64_t unit_ms(struct strview name)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (sv_eq(name, sv_str(units[i].name)))
			return units[i].ms;
	return 0;
}

/* Three digits at most after the point, as thousandths. */
static int fraction(struct strview digits, uint64_t *ret_thousandths)
{
	uint64_t v = 0;

	if (digits.n == 0 || digits.n > 3)
		return -EINVAL;
	for (size_t i = 0; i < 3; i++)
		v = v * 10 + (i < digits.n ? (uint64_t)(digits.p[i] - '0') : 0);
	*ret_thousandths = v;
	return 0;
}

/* One "1.5 h": cuts it off *s and adds it to *total. */
static int one_term(struct strview *s, uint64_t *total)
{
	static const char digits[] = "0123456789";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	uint64_t whole, thousandths = 0;
	size_t n = span(*s, digits);
	int r = num_u64(sv_make(s->p, n), DURATION_MAX_MS, &whole);

	if (r < 0)
		return r;
	*s = sv_from(*s, n);
	if (s->n && s->p[0] == '.') {
		*s = sv_from(*s, 1);
		n = span(*s, digits);
		r = fraction(sv_make(s->p, n), &thousandths);
		if (r < 0)
			return r;
		*s = sv_from(*s, n);
	}
	*s = sv_from(*s, span(*s, " "));
	n = span(*s, letters);
	uint64_t unit = unit_ms(sv_make(s->p, n));
	if (unit == 0)
		return -EINVAL;
	*s = sv_from(*s, n);
	*s = sv_from(*s, span(*s, " "));
	if (whole > DURATION_MAX_MS / unit)
		return -ERANGE;
	*total += whole * unit + thousandths * unit / 1000;
	return *total > DURATION_MAX_MS ? -ERANGE : 0;
}

int num_duration(struct strview s, uint64_t *ret_ms)
{
	uint64_t total = 0;

	s = sv_trim(s);
	if (s.n == 0)
		return -EINVAL;
	while (s.n) {
		int r = one_term(&s, &total);
		if (r < 0)
			return r;
	}
	*ret_ms = total;
	return 0;
}

size_t num_put(char dst[NUM_DIGITS], uint64_t n)
{
	char digits[NUM_DIGITS];
	size_t at = sizeof(digits);

	if (n < 10) { /* most of those in a log line */
		dst[0] = (char)('0' + n);
		return 1;
	}
	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	memcpy(dst, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}
