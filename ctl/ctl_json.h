/* Reading the daemon's documents leniently: what is missing or of another type reads as empty.  Regctl. */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include <jansson.h>

/* The text at key, or "".  Lives as long as object. */
const char *ctl_json_text(const json_t *object, const char *key);
/* The number at key, or 0. */
double ctl_json_number(const json_t *object, const char *key);

#define CTL_BYTES_MAX 32
/* An amount for people, by thousands: "532 B", "1.2 GB".  Returns dst. */
const char *ctl_json_bytes(double bytes, char *dst);

#define CTL_AGE_MAX 32
/* An age for people: "120ms", "5s", "3min 20s", "2h 5min", "4d 1h".  Returns dst. */
const char *ctl_json_age(double seconds, char *dst);

#endif
