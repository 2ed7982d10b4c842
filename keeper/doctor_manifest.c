/* What a pull reads next, as a manifest says it.  Keeper. */
#include "doctor_manifest.h"

#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>

#include <jansson.h>

#include "path.h"

static bool take_digest(const json_t *descriptor, struct doctor_manifest *m)
{
	const char *digest = json_string_value(json_object_get(descriptor, "digest"));

	return digest && path_is_digest(sv_str(digest)) && sv_copy(m->digest, sizeof(m->digest), sv_str(digest));
}

/* The architecture of this machine, which the nodes' mostly is, in the words of Go. */
static const char *own_architecture(void)
{
	static struct utsname u;

	if (uname(&u) < 0)
		return "";
	if (sv_eq(sv_str(u.machine), SV("x86_64")))
		return "amd64";
	return sv_eq(sv_str(u.machine), SV("aarch64")) ? "arm64" : u.machine;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* 2 = this machine's, 1 = another one, 0 = no image (an attestation and the like). */
static unsigned fitness(const json_t *platform)
{
	const struct strview os = sv_str(text_at(platform, "os")), architecture = sv_str(text_at(platform, "architecture"));

	if (sv_eq(os, SV("unknown")))
		return 0;
	return 1 + (sv_eq(os, SV("linux")) && sv_eq(architecture, sv_str(own_architecture())));
}

static int read_index(const json_t *manifests, struct doctor_manifest *m)
{
	const json_t *entry, *best = NULL, *platform;
	size_t i;

	m->index = true;
	json_array_foreach(manifests, i, entry)
		if (!best || fitness(json_object_get(entry, "platform")) > fitness(json_object_get(best, "platform")))
			best = entry;
	if (!best || !take_digest(best, m))
		return -EINVAL;
	platform = json_object_get(best, "platform");
	(void)snprintf(m->platform, sizeof(m->platform), "%.20s/%.20s", text_at(platform, "os"), text_at(platform, "architecture"));
	return 0;
}

static int read_manifest(const json_t *root, struct doctor_manifest *m)
{
	const json_t *layers = json_object_get(root, "layers"), *config = json_object_get(root, "config"), *layer;
	size_t i;

	if (!json_is_array(layers) && !config)
		return -EINVAL;
	json_array_foreach(layers, i, layer) {
		const json_int_t size = json_integer_value(json_object_get(layer, "size"));
		m->bytes += size > 0 ? (uint64_t)size : 0;
		m->layers++;
	}
	if (!take_digest(json_array_get(layers, 0), m) && !take_digest(config, m))
		return m->layers ? -EINVAL : 0;
	return 0;
}

int doctor_manifest_read(struct strview text, struct doctor_manifest *ret)
{
	struct doctor_manifest m = { .layers = 0 };
	json_error_t ignored;
	json_t *root = json_loadb(text.p ? text.p : "", text.n, 0, &ignored);
	const json_t *manifests = json_object_get(root, "manifests");
	int r = !json_is_object(root) ? -EINVAL : json_is_array(manifests) ? read_index(manifests, &m) : read_manifest(root, &m);

	json_decref(root);
	if (r == 0)
		*ret = m;
	return r;
}
