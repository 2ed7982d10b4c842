/* The daemon's documents as pages for people.  Regctl. */
#ifndef CTL_PAGES_H
#define CTL_PAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "ctl_watch.h"

void ctl_page_status(const json_t *status, FILE *out);
void ctl_page_workers(const json_t *workers, FILE *out);
/* One "name value" a line, or with before a table with rates; o->all: also zeros and buckets. */
ctl_watch_page ctl_page_stats;
ctl_watch_page ctl_page_pulls;
/* One finding of the doctor, below its registry. */
void ctl_page_doctor_step(const json_t *step, FILE *out);
/* What it says in the end: warnings, what to copy, and which hops are broken. */
void ctl_page_doctor(const json_t *result, FILE *out);
void ctl_page_version(const json_t *version, FILE *out);
/* What a reload changed, or with dry_run would change. */
void ctl_page_reload(const json_t *root, bool dry_run, FILE *out);
/* What serves now otherwise than before the drain, and that it serves. */
void ctl_page_undrain(const json_t *root, FILE *out);

#endif
