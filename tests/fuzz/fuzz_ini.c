/* Configurations: what loads can be written, and what is written loads to the same. */
#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz.h"

#define DUMP_MAX (1 << 20)

/* Without the comments, which say from which line a value came; they have lines of their own, for a value may have a #. */
static size_t dump(const struct conf *c, char *dst)
{
	const int fd = memfd_create("dump", MFD_CLOEXEC);
	FILE *f;
	char line[16384];
	size_t n = 0;

	FUZZ_ASSERT(fd >= 0 && conf_dump(c, fd) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	f = fdopen(fd, "r");
	FUZZ_ASSERT(f);
	while (fgets(line, sizeof(line), f)) {
		const size_t bytes = line[0] == '#' ? 0 : strlen(line);
		FUZZ_ASSERT(n + bytes < DUMP_MAX);
		memcpy(dst + n, line, bytes);
		n += bytes;
	}
	(void)fclose(f);
	return n;
}

static void check_errors(struct conf_errors *e, int r)
{
	FUZZ_ASSERT((r == 0) == (e->count == 0));
	for (unsigned i = 0; i < e->count; i++)
		for (const char *p = e->line[i]; *p; p++)
			FUZZ_ASSERT(*p != '\n');
	conf_errors_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char first[DUMP_MAX], second[DUMP_MAX];
	struct conf_errors errors;
	struct conf *c = NULL, *again = NULL;
	char path[64];

	int fd = fuzz_file(data, size, path);
	int r = conf_load(path, &c, &errors);
	check_errors(&errors, r);
	(void)close(fd);
	if (r < 0)
		return 0;
	const size_t n = dump(c, first);
	conf_free(c);
	fd = fuzz_file((const uint8_t *)first, n, path);
	r = conf_load(path, &again, &errors);
	if (r < 0)
		(void)fprintf(stderr, "%s\n%.*s", errors.count ? errors.line[0] : "?", (int)n, first);
	FUZZ_ASSERT(r == 0);
	conf_errors_free(&errors);
	(void)close(fd);
	FUZZ_ASSERT(dump(again, second) == n && memcmp(first, second, n) == 0);
	conf_free(again);
	return 0;
}
