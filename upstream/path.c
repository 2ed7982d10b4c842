/* The grammar of the distribution specification: repository names, tags, digests.  Worker and keeper. */
#include "path.h"

#include "cleanup.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t run_of(struct strview s, size_t at, char c)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] == c)
		n++;
	return n;
}

/* Length of the separator at `at`; 0 = there is none that may stand between letters. */
static size_t separator(struct strview s, size_t at)
{
	switch (s.p[at]) {
	case '.': return 1;
	case '_': {
		size_t n = run_of(s, at, '_');
		return n <= 2 ? n : 0;
	}
	case '-': return run_of(s, at, '-');
	default: return 0;
	}
}

static bool is_component(struct strview s)
{
	size_t i = 0;

	for (;;) {
		size_t letters = i;
		while (i < s.n && is_lower_alnum(s.p[i]))
			i++;
		if (i == letters)
			return false;
		if (i == s.n)
			return true;
		size_t n = separator(s, i);
		if (n == 0)
			return false;
		i += n;
	}
}

bool path_is_name(struct strview s)
{
	struct strview component;

	if (s.n == 0 || s.n > PATH_NAME_MAX)
		return false;
	while (sv_cut(&s, '/', &component))
		if (!is_component(component))
			return false;
	return true;
}

bool path_is_tag(struct strview s)
{
	if (s.n == 0 || s.n > PATH_TAG_MAX || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '.' && s.p[i] != '-')
			return false;
	return true;
}

bool path_is_digest(struct strview s)
{
	static const struct {
		struct strview name;
		size_t digits;
	} known[] = {
		{ SV("sha256:"), 64 }, { SV("sha512:"), 128 }, { SV("sha384:"), 96 }, { SV("blake3:"), 64 }
	};

	for (size_t k = 0; k < ARRAY_LEN(known); k++) {
		if (!sv_starts(s, known[k].name))
			continue;
		struct strview hex = sv_from(s, known[k].name.n);
		if (hex.n != known[k].digits)
			return false;
		for (size_t i = 0; i < hex.n; i++)
			if (!is_hex(hex.p[i]) || (hex.p[i] >= 'A' && hex.p[i] <= 'F'))
				return false;
		return true;
	}
	return false;
}
