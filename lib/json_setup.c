/* The memory and the seed of jansson.  Master, for all. */
#include "json_setup.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static void wipe_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void json_setup(void)
{
	json_set_alloc_funcs(malloc, wipe_free);
	json_object_seed(0);
}
