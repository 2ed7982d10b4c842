/* JSON may hold credentials: memory of jansson is cleared before it is freed.  Keeper.  Its parser and its strings copy what
 * they read more than once, so that clearing single values would leave traces. */
#include "json_wipe.h"

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

void json_wipe_setup(void)
{
	json_set_alloc_funcs(malloc, wipe_free);
}
