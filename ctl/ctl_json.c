/* Reading the daemon's documents leniently.  Regctl. */
#include "ctl_json.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

const char *ctl_json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

double ctl_json_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *ctl_json_age(double seconds, char *dst)
{
	const uint64_t s = seconds > 0 && seconds < 1e15 ? (uint64_t)seconds : 0;

	if (s == 0)
		(void)snprintf(dst, CTL_AGE_MAX, "%ums", seconds > 0 && seconds < 1 ? (unsigned)(seconds * 1000) : 0);
	else if (s < 60)
		(void)snprintf(dst, CTL_AGE_MAX, "%" PRIu64 "s", s);
	else if (s < 3600)
		(void)snprintf(dst, CTL_AGE_MAX, "%" PRIu64 "min %" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(dst, CTL_AGE_MAX, "%" PRIu64 "h %" PRIu64 "min", s / 3600, s / 60 % 60);
	else
		(void)snprintf(dst, CTL_AGE_MAX, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
	return dst;
}

const char *ctl_json_bytes(double bytes, char *dst)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	unsigned i = 0;

	if (!(bytes > 0))
		bytes = 0;
	while (bytes >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1000;
		i++;
	}
	(void)snprintf(dst, CTL_BYTES_MAX, i > 0 && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes < 1e15 ? bytes : 1e15, units[i]);
	return dst;
}
