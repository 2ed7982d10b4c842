/* What a person has to copy to mend a hop: lines for the Cloud Connector, the configuration, kubectl and containerd.  Keeper. */
#ifndef DOCTOR_SNIPPETS_H
#define DOCTOR_SNIPPETS_H

#include "doctor_image.h"
#include "doctor_report.h"

/* Adds to r what the broken hop f needs; image may be NULL. */
void doctor_snippets_add(struct doctor_report *r, const struct doctor_finding *f, const struct conf *c,
                         const struct doctor_image *image);
/* What nodes need so that they ask the relay for images that bear another host's name. */
void doctor_snippets_hosts(struct doctor_report *r, const struct conf *c, const struct doctor_image *image);

#endif
