/* The live pulls of one worker, in shared memory: what `regctl pulls` and the progress of a drain are made of.  One writer
 * (the worker that owns the slot), readers in the master; a seqlock per entry.  Readers take what they find as claims:
 * texts are terminated on the way out, numbers are only shown. */
#ifndef PULLS_H
#define PULLS_H

#include <stdatomic.h>
#include <stdint.h>

#include "cleanup.h"
#include "strview.h"

#define PULLS_A_SLOT  1024 /* more are served, and counted as unlisted */
#define PULLS_UNKNOWN UINT64_MAX

struct pull_texts {
	char client[46];      /* address, without port */
	char user[48];        /* of Basic credentials; "" = none, or another scheme */
	char registry[41];    /* section name */
	char repository[128]; /* cut when longer */
	char reference[80];   /* tag or digest; "" for lists */
	char route[12];
	char request_id[40];
	char waits_for[48];
};

struct pull_entry {
	_Atomic uint32_t seq;  /* odd while the texts are written; 0 = never used */
	_Atomic uint32_t used; /* 1 = live */
	_Atomic uint64_t bytes, total, began_ms; /* of the body; total PULLS_UNKNOWN = not told; CLOCK_MONOTONIC */
	struct pull_texts texts;
};

struct pulls_table {
	_Atomic uint32_t high;     /* entries from here on were never used */
	_Atomic uint32_t unlisted; /* live ones that found no entry */
	struct pull_entry entry[PULLS_A_SLOT];
};

/* A consistent copy of one. */
struct pull {
	struct pull_texts texts;
	uint64_t bytes, total, began_ms;
};

/* --- the owner's side ---------------------------------------------------------------------------------- */

/* Who hands out the entries of a table; private to the process. */
struct pulls {
	struct pulls_table *table;
	uint16_t free[PULLS_A_SLOT];
	unsigned frees;
};

/* Empties the table (its last owner may have died) and takes it over. */
void pulls_init(struct pulls *p, struct pulls_table *table);
/* A live pull; NULL = the table is full and it is counted as unlisted.  Ended by pulls_end in either case. */
struct pull_entry *pulls_begin(struct pulls *p, const struct pull_texts *texts, uint64_t now_ms);
void pulls_end(struct pulls *p, struct pull_entry *e);
/* What it waits for now; a NULL entry is nothing. */
void pulls_waits(struct pull_entry *e, const char *waits_for);

/* --- the master's side --------------------------------------------------------------------------------- */

/* After the owner was reaped: nothing is live any more. */
void pulls_reset(struct pulls_table *table);
/* The live pull at i; false: there is none, or its owner died or is busy writing it. */
bool pulls_read(const struct pulls_table *table, unsigned i, struct pull *ret);
/* Entries worth reading: <= PULLS_A_SLOT. */
unsigned pulls_high(const struct pulls_table *table);

#endif
