/* What a walk found, step by step, and the document that tells of it.  Keeper.
 *
 * A finding is a line of its own for who watches ({"registry", "step", "state", "ms", "text", and of a broken hop "error",
 * "cause", "fix"}), and stands in the result:
 *   {"result": "ok" or "broken", "exit": 0 or 1, "image", "registries": [{"registry", "host", "proxy", "broken", "steps": [...]}],
 *    "warnings": [...], "snippets": [{"about", "text"}]}                                                                        */
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H

#include <jansson.h>

#include "conf.h"
#include "errors.h"

enum doctor_step {
#define S(step, name, deadline_ms, why) DOCTOR_##step,
#include "doctor_steps.def"
#undef S
	DOCTOR_STEPS
};

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_BROKEN,  /* pulls fail here */
	DOCTOR_SKIPPED, /* there is no such hop, or it was not come to */
	DOCTOR_UNKNOWN  /* a later hop is broken in a way that does not tell of this one */
};

#define DOCTOR_NO_MS UINT64_MAX

struct doctor_finding {
	enum doctor_step step;
	enum doctor_state state;
	uint64_t ms;         /* what it took; DOCTOR_NO_MS = that cannot be told */
	enum error_id error; /* when broken */
	const char *text;
	const char *host;    /* "host:port" that the fix is about, for its snippets; NULL = none */
	const char *other;   /* another name of the same: the virtual host of a listed one; NULL = none */
};

struct doctor_report {
	json_t *registries, *warnings, *snippets; /* any may be NULL when memory is short */
	json_t *current, *steps; /* of the registry that is visited; borrowed */
	const struct conf_registry *registry; /* the same; NULL = none is known yet */
	bool broken;             /* something is, anywhere */
	bool was_broken;         /* something of the current registry is */
};

void doctor_report_init(struct doctor_report *r);
void doctor_report_done(struct doctor_report *r);

const char *doctor_step_name(enum doctor_step step);

/* What follows is about that registry (NULL = none is known yet). */
void doctor_report_visit(struct doctor_report *r, const struct conf_registry *g);
/* Adds f; its line, which is the caller's; NULL when memory is short. */
json_t *doctor_report_add(struct doctor_report *r, const struct doctor_finding *f);
/* A line for people about what is no broken hop; the same one once only. */
void doctor_report_warn(struct doctor_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A text to copy, of some lines; the same one once only. */
void doctor_report_snippet(struct doctor_report *r, const char *about, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The document; the caller's; NULL when memory is short.  image may be "". */
json_t *doctor_report_result(struct doctor_report *r, const char *image);

#endif
