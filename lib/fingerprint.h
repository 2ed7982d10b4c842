/* Has a file, or a directory of small files, changed since it was looked at?  Told by stat alone, so that it can be asked
 * twice a second.  Master and keeper. */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include <stdint.h>

/* Of the file, or of the directory and all that is in it, links followed (a mounted Secret is swapped by one link).  Never 0;
 * 1 = there is nothing to look at. */
uint64_t fingerprint(const char *path);

#endif
