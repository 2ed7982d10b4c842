/* The documents of the control API, as JSON, made from what view.h shows.  Master. */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

#include <jansson.h>

#include "view.h"

/* Each returns a new reference, or NULL when memory is short. */
json_t *control_json_status(const struct master *m);
json_t *control_json_stats(const struct master *m);
json_t *control_json_workers(const struct master *m);
json_t *control_json_pulls(const struct master *m);
json_t *control_json_version(void);
/* What a drain still waits for: one line of its progress. */
json_t *control_json_progress(const struct master *m);
/* The effective configuration as text, as `regrelayd -T` prints it. */
json_t *control_json_config(const struct master *m);
/* How a reload, drain or undrain ended. */
json_t *control_json_done(const struct view_answer *a);

#endif
