/* What children do with what they inherited.  Worker, keeper. */
#include "heritage.h"

#include <unistd.h>

void heritage_wake(const struct heritage *h)
{
	const uint64_t one = 1;

	for (unsigned i = 0; i < h->wakes && i < HERITAGE_WAKES; i++)
		if (h->wake_others[i] >= 0 && write(h->wake_others[i], &one, sizeof(one)) < 0)
			continue; /* a full eventfd wakes as well */
}
