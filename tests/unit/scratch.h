/* A directory of a test's own, below the one for temporary files, and short texts in it.  A test program has one at a time. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char scratch_dir[64];

/* cmocka's setup: an empty one. */
static int scratch_setup(void **state)
{
	(void)state;
	strcpy(scratch_dir, "/tmp/regrelay-test-XXXXXX");
	return mkdtemp(scratch_dir) ? 0 : -1;
}

static int scratch_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

/* cmocka's teardown: it goes, with all that is in it. */
static int scratch_teardown(void **state)
{
	(void)state;
	return nftw(scratch_dir, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file and returns its path, valid until the next call. */
static const char *scratch(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", scratch_dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

#endif
