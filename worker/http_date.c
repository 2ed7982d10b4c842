/* The Date field (RFC 9110 5.6.7).  Worker. */
#include "http_date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* strftime would follow the locale. */
static void render(time_t at, char dst[HTTP_DATE_MAX])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	char text[128]; /* whatever the numbers are */
	struct tm tm;

	if (!gmtime_r(&at, &tm))
		memset(&tm, 0, sizeof(tm));
	(void)snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
	               tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	               tm.tm_sec);
	text[HTTP_DATE_MAX - 1] = '\0';
	memcpy(dst, text, HTTP_DATE_MAX);
}

void http_date(uint64_t wall_ms, char dst[HTTP_DATE_MAX])
{
	static time_t last = -1;
	static char text[HTTP_DATE_MAX];
	time_t now = (time_t)(wall_ms / 1000);

	if (now != last) {
		render(now, text);
		last = now;
	}
	memcpy(dst, text, HTTP_DATE_MAX);
}
