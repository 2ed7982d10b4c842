/* Runs a fuzz target over files: those named, or all of its corpus.  Speaks TAP. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "fuzz.h"

#define FILE_MAX (1 << 20)

static void replay(const char *path)
{
	static uint8_t bytes[FILE_MAX];
	FILE *f = fopen(path, "rbe");

	if (!f) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	const size_t n = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	uint8_t *exact = malloc(n ? n : 1); /* tools see what is read beyond its end */
	FUZZ_ASSERT(exact);
	if (n)
		memcpy(exact, bytes, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static unsigned replay_corpus(const char *name)
{
	const char *top = getenv("top_srcdir");
	char dir[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
	const struct dirent *e;
	unsigned count = 0;

	(void)snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", top ? top : ".", name);
	DIR *d = opendir(dir);
	while (d && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		replay(path);
		printf("ok %u - %s\n", ++count, e->d_name);
	}
	if (d)
		(void)closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc == 1)
		printf("1..%u\n", replay_corpus(strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name));
	return 0;
}
