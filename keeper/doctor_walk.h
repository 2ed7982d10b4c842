/* A walk: from an image's name along every hop of a pull to the first byte of a layer, or for every registry as far as /v2/ and
 * its challenge; what it finds goes to a report.  Keeper.  The way is that of pulls: the same names, proxies, tokens for them,
 * rules, token servers, redirects (upstream/).  doctor_steps.def has the steps and their deadlines. */
#ifndef DOCTOR_WALK_H
#define DOCTOR_WALK_H

#include "doctor_order.h"
#include "doctor_report.h"
#include "heritage.h"
#include "loop.h"

#define DOCTOR_WALK_MS 300000 /* all of it, whatever single steps may take */

struct doctor_walk;
struct upstream;

/* A line: a finding, or at last the result (then the walk is over and may be freed).  line is the listener's; NULL: memory was
 * short. */
typedef void doctor_walk_fn(void *owner, json_t *line, bool last);

/* Begins.  o is taken over, and left empty; h and u are borrowed.  fn is never called from within.  NULL: no memory (o stays). */
struct doctor_walk *doctor_walk_new(struct loop *l, const struct heritage *h, struct upstream *u, struct doctor_order *o,
                                    doctor_walk_fn *fn, void *owner);
/* Ends it, also in the middle, and clears what was secret; the memory goes at the end of the turn.  NULL is nothing. */
void doctor_walk_free(struct doctor_walk *w);

#endif
