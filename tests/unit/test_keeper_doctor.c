/* The doctor's readers: names of images, pull secrets, manifests, orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor_manifest.h"
#include "doctor_order.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static char none[] = "", match[] = "pull.corp";
static struct conf_registry registry = { .match_host = match, .ns = none, .prefix = none };
static struct conf conf = { .listen.public_port = 30085, .registries = 1, .registry = { &registry } };

static void names_of_images(void **state)
{
	static const struct {
		const char *text, *host, *target;
		bool by_ns, nameless;
	} rows[] = {
		{ "localhost:30085/team/app:t1", "localhost:30085", "/v2/team/app/manifests/t1", false, false },
		{ "localhost/app", "localhost", "/v2/app/manifests/latest", false, false },
		{ " 127.0.0.1:1/app:1 ", "127.0.0.1:1", "/v2/app/manifests/1", false, false },
		{ "[::1]:1/app", "[::1]:1", "/v2/app/manifests/latest", false, false },
		{ "10.0.0.1:30085/app", "10.0.0.1:30085", "/v2/app/manifests/latest", false, false },
		{ "PULL.corp:99/app", "PULL.corp:99", "/v2/app/manifests/latest", false, false },
		{ "localhost:1/app@" DIGEST, "localhost:1", "/v2/app/manifests/" DIGEST, false, false },
		{ "localhost:1/app:t1@" DIGEST, "localhost:1", "/v2/app/manifests/" DIGEST, false, false },
		{ "registry.corp:5000/a/b/c:t", "registry.corp:5000", "/v2/a/b/c/manifests/t?ns=registry.corp:5000", true, false },
		{ "team/app", "docker.io", "/v2/team/app/manifests/latest?ns=docker.io", true, true },
		{ "nginx:1.25", "docker.io", "/v2/library/nginx/manifests/1.25?ns=docker.io", true, true },
	};
	struct doctor_image i;
	struct err e;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		assert_int_equal(doctor_image_parse(&conf, sv_str(rows[n].text), &i, &e), 0);
		assert_string_equal(i.host, rows[n].host);
		assert_string_equal(i.target, rows[n].target);
		assert_int_equal(i.by_ns, rows[n].by_ns);
		assert_int_equal(i.nameless, rows[n].nameless);
		const struct strview name = doctor_image_repository(&i);
		assert_true(sv_starts(sv_str(i.target + 4), name) && i.target[4 + name.n] == '/');
	}
}

static void what_is_no_name(void **state)
{
	static const char *const wrong[] = { "", "  ", "http://localhost:1/a", "localhost:1/a b", "localhost:1/a?ns=b", "localhost:1/a#b",
		                             "localhost:1/a%2f", "localhost:99999/a", "a..b/c", "localhost:1/a\nb", "localhost:1/\xc3\xa9" };
	static char endless[3000];
	struct doctor_image i;
	struct err e;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(wrong); n++)
		if (doctor_image_parse(&conf, sv_str(wrong[n]), &i, &e) != -EINVAL)
			fail_msg("taken: %s", wrong[n]);
	memset(endless, 'a', sizeof(endless) - 1);
	assert_int_equal(doctor_image_parse(&conf, sv_str(endless), &i, &e), -EINVAL);
}

static void keys_of_pull_secrets(void **state)
{
	static const struct {
		const char *key, *host, *repository;
		bool fits;
	} rows[] = {
		{ "localhost:30085", "localhost:30085", "team/app", true },
		{ "LOCALHOST:30085", "localhost:30085", "team/app", true },
		{ "https://localhost:30085", "localhost:30085", "team/app", true },
		{ "http://localhost:30085/", "localhost:30085", "team/app", true },
		{ "https://localhost:30085/v1/", "localhost:30085", "team/app", true },
		{ "localhost:30085/v2/team", "localhost:30085", "team/app", true },
		{ "localhost:30085/team", "localhost:30085", "team/app", true },
		{ "localhost:30085/team/app", "localhost:30085", "team/app", true },
		{ "localhost:30085/team/", "localhost:30085", "team/app", true },
		{ "localhost:30085/tea", "localhost:30085", "team/app", true }, /* the kubelet compares bytes, not components */
		{ "localhost:30085/tea/", "localhost:30085", "team/app", false },
		{ "localhost:30085/app", "localhost:30085", "team/app", false },
		{ "localhost:30085/team/app/x", "localhost:30085", "team/app", false },
		{ "localhost", "localhost:30085", "team/app", false },
		{ "localhost:30086", "localhost:30085", "team/app", false },
		{ "127.0.0.1:30085", "localhost:30085", "team/app", false },
		{ "myregistry.kyma:25002", "localhost:30085", "team/app", false },
		{ "*.corp", "registry.corp", "a", true },
		{ "*.corp", "a.registry.corp", "a", false },
		{ "reg*.corp:5000", "registry.corp:5000", "a", true },
		{ "10.0.0.*", "10.0.0.5:30085", "a", false },
		{ "10.0.0.*:30085", "10.0.0.5:30085", "a", true },
		{ "10.0.0.*:*", "10.0.0.5:30085", "a", false },
		{ "*", "localhost:30085", "a", false },
		{ "*", "localhost", "a", true },
		{ "[::1]:1", "[::1]:1", "a", true },
		{ "", "localhost:1", "a", false },
		{ "https://index.docker.io/v1/", "docker.io", "team/app", true },
		{ "https://index.docker.io/v1/", "localhost:1", "team/app", false },
		{ "https://index.docker.io/other", "docker.io", "team/app", false },
	};
	struct doctor_secret s;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		json_t *auths = json_pack("{s:{s:s}}", rows[n].key, "auth", "dTpw");
		assert_int_equal(doctor_secret_find(auths, rows[n].host, sv_str(rows[n].repository), &s), 0);
		if (s.fits != rows[n].fits)
			fail_msg("%s for %s: %d", rows[n].key, rows[n].host, s.fits);
		assert_string_equal(s.keys, rows[n].key);
		if (s.fits)
			assert_string_equal(s.authorization, "Basic dTpw");
		doctor_secret_done(&s);
		assert_null(s.authorization);
		json_decref(auths);
	}
}

static void the_longest_key_wins_and_all_are_told(void **state)
{
	json_t *auths = json_loads("{\"h:1\": {\"auth\": \"YTpi\"}, \"h:1/team\": {\"username\": \"u\", \"password\": \"p\"}}", 0, NULL);
	struct doctor_secret s;

	(void)state;
	assert_int_equal(doctor_secret_find(auths, "h:1", SV("team/app"), &s), 0);
	assert_string_equal(s.authorization, "Basic dTpw");
	assert_string_equal(s.keys, "h:1, h:1/team");
	doctor_secret_done(&s);
	for (int i = 0; i < 100; i++) {
		char key[64];
		(void)snprintf(key, sizeof(key), "a-rather-long-name-%d.corp:5000\n", i);
		assert_int_equal(json_object_set_new(auths, key, json_object()), 0);
	}
	assert_int_equal(doctor_secret_find(auths, "h:1", SV("other"), &s), 0);
	assert_string_equal(s.authorization, "Basic YTpi");
	assert_true(strlen(s.keys) < DOCTOR_KEYS_MAX && strstr(s.keys, ":5000?, "));
	assert_string_equal(s.keys + strlen(s.keys) - 5, ", ...");
	doctor_secret_done(&s);
	json_decref(auths);
}

static void manifests(void **state)
{
	static const struct {
		const char *text, *digest;
		int r;
		bool index;
	} rows[] = {
		{ "{\"layers\":[{\"digest\":\"" DIGEST "\",\"size\":7},{\"size\":3}],\"config\":{}}", DIGEST, 0, false },
		{ "{\"layers\":[],\"config\":{\"digest\":\"" DIGEST "\"}}", DIGEST, 0, false },
		{ "{\"layers\":[]}", "", 0, false },
		{ "{\"manifests\":[{\"digest\":\"sha256:x\",\"platform\":{\"os\":\"unknown\"}},{\"digest\":\"" DIGEST "\",\"platform\":{\"os\":"
		  "\"windows\",\"architecture\":\"amd64\"}}]}", DIGEST, 0, true },
		{ "{\"manifests\":[]}", NULL, -EINVAL, true },
		{ "{\"layers\":[{\"digest\":\"sha256:../../etc\"}]}", NULL, -EINVAL, false },
		{ "{\"errors\":[]}", NULL, -EINVAL, false }, { "[]", NULL, -EINVAL, false }, { "<html>", NULL, -EINVAL, false }, { "", NULL, -EINVAL, false },
	};
	struct doctor_manifest m;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		assert_int_equal(doctor_manifest_read(sv_str(rows[n].text), &m), rows[n].r);
		if (rows[n].r == 0) {
			assert_string_equal(m.digest, rows[n].digest);
			assert_int_equal(m.index, rows[n].index);
		}
	}
	assert_int_equal(doctor_manifest_read(sv_str(rows[0].text), &m), 0);
	assert_int_equal(m.layers, 2);
	assert_int_equal(m.bytes, 10);
}

static void orders(void **state)
{
	static const char *const wrong[] = { "{", "[]", "7", "{\"image\":1}", "{\"image\":\"a\\u0000b\"}", "{\"image\":\"a\",\"image\":\"b\"}",
		                             "{\"x\":1}", "{\"auth\":[]}", "{\"auth\":{\"auths\":7}}" };
	struct doctor_order o;
	struct err e;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(wrong); n++)
		assert_int_equal(doctor_order_read(sv_str(wrong[n]), &o, &e), -EINVAL);
	assert_int_equal(doctor_order_read(SV_NONE, &o, &e), 0);
	assert_true(o.image[0] == '\0' && !o.auths);
	assert_int_equal(doctor_order_read(SV("{\"image\":\"a\",\"auth\":{\"auths\":{\"h\":{}},\"credsStore\":\"x\"}}"), &o, &e), 0);
	assert_string_equal(o.image, "a");
	assert_int_equal(json_object_size(o.auths), 1);
	doctor_order_done(&o);
	assert_null(o.auths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_images),
		cmocka_unit_test(what_is_no_name),
		cmocka_unit_test(keys_of_pull_secrets),
		cmocka_unit_test(the_longest_key_wins_and_all_are_told),
		cmocka_unit_test(manifests),
		cmocka_unit_test(orders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
