/* The configuration: files good and bad, every mistake with its line, and the traps of the INI library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"

static char path[64];

static int make_directory(void **state)
{
	static char dir[] = "/tmp/test_conf.XXXXXX";

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/r.ini", dir);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

static void write_bytes(const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(close(fd), 0);
}

#define SMALL "[proxy]\naddress = cp:20003\n[registry]\nhost = reg:5000\n"

static struct conf *good(const char *text)
{
	struct conf *c = NULL;
	struct conf_errors e;

	write_bytes(text, strlen(text));
	int r = conf_load(path, &c, &e);
	for (unsigned i = 0; i < e.count; i++)
		print_error("%s\n", e.line[i]);
	assert_int_equal(r, 0);
	assert_int_equal(e.count, 0);
	return c;
}

/* Loads text and expects these mistakes, each "LINE: part of the text" (0 = of no line), in this order. */
static void bad_bytes(const char *text, size_t n, const char *const *expected)
{
	struct conf *c = NULL;
	struct conf_errors e;
	unsigned count = 0;

	write_bytes(text, n);
	int r = conf_load(path, &c, &e);
	assert_int_equal(r, -EINVAL);
	assert_null(c);
	for (; expected[count]; count++) {
		char wanted[200];
		int line, used;
		assert_true(count < e.count);
		assert_int_equal(sscanf(expected[count], "%d: %n", &line, &used), 1);
		if (line)
			(void)snprintf(wanted, sizeof(wanted), "%s:%d: ", path, line);
		else
			(void)snprintf(wanted, sizeof(wanted), "%s: ", path);
		if (strncmp(e.line[count], wanted, strlen(wanted)) != 0 || !strstr(e.line[count], expected[count] + used))
			fail_msg("expected '%s', got '%s'", expected[count], e.line[count]);
	}
	if (e.count > count)
		fail_msg("one more: '%s'", e.line[count]);
	conf_errors_free(&e);
}

static void bad(const char *text, const char *first)
{
	bad_bytes(text, strlen(text), (const char *const[]){ first, NULL });
}

static void smallest_file_and_its_defaults(void **state)
{
	struct conf *c = good(SMALL);

	(void)state;
	assert_int_equal(c->proxies, 1);
	assert_string_equal(c->proxy[0]->name, "default");
	assert_string_equal(c->proxy[0]->address.host, "cp");
	assert_int_equal(c->proxy[0]->header_budget, 25000);
	assert_int_equal(c->registries, 1);
	assert_ptr_equal(c->default_registry, c->registry[0]);
	assert_ptr_equal(c->registry[0]->proxy, c->proxy[0]);
	assert_string_equal(c->registry[0]->authority, "reg:5000");
	assert_true(c->registry[0]->forwarded_host);
	assert_int_equal(c->names_count, 1);
	assert_string_equal(c->names[0], "cp");
	assert_int_equal(c->listen.head_size, 32768);
	assert_int_equal(c->listen.address.count, 1);
	assert_true(c->listen.address.items[0].dual);
	assert_in_range(c->master.workers, 1, 4);
	assert_int_equal(c->master.control_mode, 0660);
	assert_int_equal(conf_public_port(c), 8080);
	assert_int_equal(strlen(c->hash), 64);
	conf_free(c);
}

static void every_form_of_a_file(void **state)
{
	(void)state;
	conf_free(good("\xef\xbb\xbf" SMALL));
	conf_free(good("[proxy]\r\naddress = cp:20003\r\n\r\n; note\r\n[registry]\r\nhost = reg:5000"));
	conf_free(good("# a\n\n   \n[ proxy ]\naddress=cp:1\n[registry]\nhost   =   reg\n"));
	struct conf *c = good(SMALL "[registry two]\nhost = two\nproxy = default\nallow = a/*, b\nallow = c/**\ndefault = yes\n"
	                            "location_id = x;y ;z\n");
	assert_int_equal(c->registry[1]->allow.count, 3);
	assert_string_equal(c->registry[1]->allow.items[2], "c/**");
	assert_string_equal(c->registry[1]->location_id, "x;y ;z"); /* no comment begins within a line */
	assert_ptr_equal(c->default_registry, c->registry[1]);
	conf_free(c);
}

static void traps_of_the_library(void **state)
{
	char text[20000];

	(void)state;
	/* A line as long as allowed is whole; one byte more is refused and nothing of it becomes a key. */
	int n = snprintf(text, sizeof(text), SMALL "location_id = ");
	memset(text + n, 'x', 255);
	(void)snprintf(text + n + 255, sizeof(text) - (size_t)n - 255, "\n");
	struct conf *c = good(text);
	assert_int_equal(strlen(c->registry[0]->location_id), 255);
	conf_free(c);
	n = snprintf(text, sizeof(text), SMALL "#");
	memset(text + n, 'y', 8191);
	(void)snprintf(text + n + 8191, 16, "\n");
	conf_free(good(text));
	memset(text + n, 'y', 8192);
	(void)snprintf(text + n + 8192, 64, "\nworkers = 3\n");
	bad_bytes(text, strlen(text), (const char *const[]){ "5: longer than 8192", "6: no key 'workers'", NULL });

	bad(SMALL "  location_id = x\n", "5: begins with a space");
	bad(SMALL "location_id\n", "5: neither [SECTION] nor 'key = value'");
	bad(SMALL "location_id: x\n", "5: neither [SECTION] nor 'key = value'");
	bad("workers = 3\n" SMALL, "1: before the first [section]");
	bad(SMALL "[registry\n", "5: a section header");
	bad(SMALL "[log] x\n", "5: a section header");
	bad(SMALL "[registry aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", "5: the name of a section");
	bad_bytes(SMALL "#\0\n", sizeof(SMALL "#\0\n") - 1, (const char *const[]){ "5: control character (0x00)", NULL });
	bad(SMALL "#\x1b[31m\n", "5: control character (0x1b)");
}

static void files_that_are_none(void **state)
{
	struct conf *c;
	struct conf_errors e;
	char dir[64];

	(void)state;
	(void)unlink(path);
	assert_int_equal(conf_load(path, &c, &e), -ENOENT);
	assert_int_equal(e.count, 1);
	assert_non_null(strstr(e.line[0], path));
	conf_errors_free(&e);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	assert_int_equal(conf_load(dir, &c, &e), -EINVAL);
	conf_errors_free(&e);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(conf_load(path, &c, &e), -EINVAL); /* and does not wait for a writer */
	conf_errors_free(&e);
	(void)unlink(path);
	write_bytes("", 0);
	assert_int_equal(conf_load(path, &c, &e), -EINVAL);
	conf_errors_free(&e);
	assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
	assert_int_equal(conf_load(path, &c, &e), -EINVAL);
	assert_non_null(strstr(e.line[0], "1 MiB"));
	conf_errors_free(&e);
}

static void twice_is_once_too_often(void **state)
{
	(void)state;
	bad(SMALL "token_hosts = auth corp\n", "5: token_hosts: 'auth corp': 'auth corp' is not a host name");
	bad(SMALL "token_hosts = a, a:443\n", "5: token_hosts: 'a:443' is there twice");
	bad(SMALL "token_hosts = a/../b\n", "5: token_hosts: 'a/../b': '/../b' is not a plain path");
	bad(SMALL "token_hosts = a/%2e\n", "5: token_hosts: 'a/%2e': '/%2e' is not a plain path");
	bad(SMALL "token_hosts = a=\n", "5: token_hosts: 'a=': a host has 1 to");
	bad(SMALL "token_hosts = https://a/\n", "5: token_hosts: 'https://a/': ");
	bad(SMALL "redirect_hosts = a/b\n", "5: redirect_hosts: 'a/b': only host:port belongs here");
	bad(SMALL "redirect_pass = a=b\n", "5: redirect_pass: 'a=b': a client goes there itself");
	bad(SMALL "redirect_pass = a:0\n", "5: redirect_pass: 'a:0': ");
	bad(SMALL "host = other\n", "5: host is already given in line 4");
	bad(SMALL "[log]\nlevel = info\n[log]\n", "7: [log] is already given in line 5");
	bad(SMALL "[registry]\n", "5: [registry default] is already given");
	bad(SMALL "[log x]\n", "5: takes no name");
}

static void ranges_at_their_ends(void **state)
{
	(void)state;
	conf_free(good(SMALL "[master]\nworkers = 126\nstuck_timeout = 1s\n[listen]\nhead_fields = 128\nhead_size = 64K\n"));
	bad(SMALL "[master]\nworkers = 127\n", "6: from 1 to 126");
	bad(SMALL "[master]\nworkers = 0\n", "6: 'auto' or a number from 1 to 126");
	bad(SMALL "[master]\nstuck_timeout = 999ms\n", "6: a duration (like 5s, 2min) from 1s to 60min");
	bad(SMALL "[listen]\nhead_size = 65537\n", "6: a size (like 32K, 1M) from 1K to 64K");
	bad(SMALL "[master]\ncontrol_mode = 0888\n", "6: an octal mode from 0000 to 0777");
	bad(SMALL "[log]\naccess = maybe\n", "6: neither yes nor no");
	bad(SMALL "[log]\nlevel = loud\n", "6: 'loud' is not one of debug, info, notice, warning, error");
	bad(SMALL "[listen]\naddress = localhost:80\n", "6: not ADDRESS:PORT");
	bad(SMALL "[listen]\naddress = *\n", "6: not ADDRESS:PORT");
	bad(SMALL "[listen]\naddress = *:1, *:1\n", "6: twice");
	bad(SMALL "[master]\ncontrol = run/x\n", "6: not an absolute path");
}

static void registries(void **state)
{
	(void)state;
	bad("[proxy]\naddress = cp:1\n", "0: a [registry] section with a host is needed");
	bad("[registry]\nhost = r\n", "1: has no proxy");
	bad("[proxy]\n[registry]\nhost = r\n", "1: [proxy default] needs an address");
	bad("[proxy]\naddress = cp\n[registry]\nhost = r\n", "2: the port is missing");
	bad("[proxy]\naddress = cp:1\n[registry]\n", "3: [registry default] needs a host");
	bad(SMALL "[registry b]\nhost = b\n", "0: must have 'default = yes'");
	bad(SMALL "default = yes\n[registry b]\nhost = b\ndefault = yes\n", "8: [registry default] is the default one already");
	bad(SMALL "proxy = nobody\n", "5: there is no [proxy nobody]");
	bad(SMALL "prefix = Team\n", "5: prefix");
	bad(SMALL "ns = a b\n", "5: ns: ");
	bad(SMALL "deny = a//b\n", "5: not a pattern");
	bad(SMALL "default = yes\nns = x.io\n[registry b]\nhost = b\nns = X.io\n", "9: belongs to [registry default] already");
	bad(SMALL "tls_name = x\n", "5: the Cloud Connector does the TLS");
	struct conf *c = good("[registry a]\nhost = a.corp\nproxy = none\nprefix = /x/y/\ndefault = yes\n"
	                      "[registry b]\nhost = 127.0.0.1:5000\nproxy = none\n[registry c]\nhost = c:1\nproxy = none\n");
	assert_int_equal(c->proxies, 3);
	assert_true(c->proxy[0]->direct && c->proxy[1]->direct);
	assert_string_not_equal(c->proxy[0]->name, c->proxy[1]->name);
	assert_int_equal(c->proxy[0]->address.port, 80);
	assert_string_equal(c->registry[0]->prefix, "x/y");
	assert_int_equal(c->names_count, 2);
	assert_int_equal(c->proxy[1]->name_index, -1);
	conf_free(c);
}

#define DIRECT "[registry]\nhost = r.corp\nscheme = https\nproxy = none\n" /* four lines */
#define SOCKS  "[proxy]\naddress = cp:20004\nprotocol = socks5\n[registry]\nhost = r.corp\n"

/* Who speaks TLS, and with what. */
static void other_ways(void **state)
{
	(void)state;
	bad(DIRECT "ca_file = /nonexistent/ca.pem\n", "5: ca_file: /nonexistent/ca.pem: no CA certificates");
	bad(DIRECT "ca_file = /dev/null\n", "5: ca_file: /dev/null: no CA certificates");
	bad(DIRECT "tls_client_certificate = /dev/null\n", "5: tls_client_certificate: needs tls_client_key, too");
	bad(DIRECT "tls_client_key = /dev/null\n", "5: tls_client_key: needs tls_client_certificate, too");
	struct conf *six = good(DIRECT "tls_name = [fd00::1]\n");
	assert_string_equal(six->registry[0]->tls_host.host, "fd00::1");
	conf_free(six);
	bad(DIRECT "tls_name = a:443\n", "5: tls_name: a name or an address, without a port");
	bad("[registry]\nhost = r\nproxy = none\nca_file = /dev/null\n", "4: ca_file: has no effect without scheme = https");
	bad("[registry]\nhost = r\nproxy = none\ntls_name = x\n", "4: tls_name: has no effect");
	bad(SMALL "[proxy b]\naddress = b:1\nsocks_methods = 00\n", "7: socks_methods: has no effect");
	bad("[proxy]\naddress = cp:1\nprotocol = socks5\nsocks_methods = 01\n[registry]\nhost = r\n", "4: '01' is none of 00");
	bad("[proxy]\naddress = cp:1\nprotocol = socks5\nsocks_methods = 80\n[registry]\nhost = r\n", "4: auth = bearer is needed");
	bad("[proxy]\naddress = cp:1\nprotocol = socks5\nauth = basic\n[registry]\nhost = r\n", "4: it is none or bearer");
	bad("[proxy]\naddress = cp:1\nprotocol = socks5\nlocation_id = x\n[registry]\nhost = r\n", "4: beside the token only");
	bad(SOCKS "location_id = x\n", "6: beside the token only");
	bad("[proxy]\naddress = p:1\nprotocol = connect\nlocation_id = x\n[registry]\nhost = r\n", "4: is for a connectivity proxy");
	bad("[proxy]\naddress = p:1\nprotocol = connect\n[registry]\nhost = r\nlocation_id = x\n", "6: is for a connectivity proxy, not for protocol = connect");
	bad("[registry]\nhost = r\nproxy = none\nlocation_id = x\n", "4: is for a connectivity proxy, not for proxy = none");
	bad("[proxy]\naddress = p:1\nprotocol = connect\nauth = basic\n[registry]\nhost = r\n", "4: basic needs auth_file");
	bad("[proxy]\naddress = p:1\nprotocol = connect\nauth_file = /x\n[registry]\nhost = r\n", "4: has no effect without auth = basic");
	bad("[proxy]\naddress = p:1\nprotocol = connect\nauth = basic\nauth_file = /dev/null\n[registry]\nhost = r\n", "5: auth_file: ");
	struct conf *c = good(SOCKS);
	assert_int_equal(c->proxy[0]->socks_method_count, 1);
	assert_int_equal(c->proxy[0]->socks_method[0], CONF_SOCKS_NONE);
	assert_true(conf_speaks_tls(c->registry[0]));
	assert_null(c->registry[0]->tls);
	conf_free(c);
	c = good("[registry]\nhost = r.corp\nproxy = none\ntoken_hosts = auth.corp, 10.0.0.1\nredirect_hosts = s.corp=t.corp:444\n");
	assert_int_equal(c->names_count, 3); /* r.corp, auth.corp and t.corp; never s.corp */
	assert_int_equal(c->registry[0]->token_at.item[1].name_index, -1);
	assert_string_equal(c->names[c->registry[0]->redirect_at.item[0].name_index], "t.corp");
	assert_int_equal(c->registry[0]->redirect_at.item[0].behind.port, 444);
	conf_free(c);
}

static void all_mistakes_at_once_and_in_line_order(void **state)
{
	static const char text[] = "[master]\nworkers = many\n[listen]\nhead_timout = 5s\n[proxy]\naddress = cp\n"
	                           "protocol = socks5\n[registry]\nhots = reg:5000\n[lisen]\nanything = 1\n";
	static const char *const expected[] = {
		"2: workers: 'many'", "4: did you mean 'head_timeout'", "6: the port is missing",
		"8: needs a host", "9: did you mean 'host'", "10: did you mean 'listen'", NULL,
	};

	(void)state;
	bad_bytes(text, sizeof(text) - 1, expected);
}

/* Any text at all: no crash, no leak (under the sanitizers), and a refusal always says why. */
static void files_that_were_damaged(void **state)
{
	static const char text[] = SMALL "allow = a, b\n[log]\nlevel = debug\n[listen]\naddress = *:1, [::1]:2\nbacklog = 5\n";
	char copy[sizeof(text)];
	unsigned seed = 12345;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		memcpy(copy, text, sizeof(text));
		for (int i = 0; i < 3; i++) {
			seed = seed * 1103515245u + 12345u;
			copy[(seed >> 8) % (sizeof(text) - 1)] = "\n[]=;# \t\0xZ/*:,9\xff"[(seed >> 24) % 17];
		}
		struct conf *c = NULL;
		struct conf_errors e;
		write_bytes(copy, sizeof(text) - 1);
		int r = conf_load(path, &c, &e);
		assert_true(r == 0 ? c != NULL && e.count == 0 : c == NULL && e.count > 0);
		conf_errors_free(&e);
		conf_free(c);
	}
}

/* --- the files that it names -------------------------------------------------------------------------------------- */

static void write_named(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_files_that_it_names(void **state)
{
	char named[80], text[400], was[65], is[65];
	struct err e;

	(void)state;
	struct conf *c = good(SMALL);
	assert_int_equal(conf_files_fingerprint(c), 0);
	assert_int_equal(conf_files_hash(c, is, &e), 0);
	assert_string_equal(is, c->files_hash);
	conf_free(c);

	(void)snprintf(named, sizeof(named), "%s.login", path);
	write_named(named, "Bearer one");
	(void)snprintf(text, sizeof(text), SMALL "allow = **\nauthorization = file:%s\n", named);
	c = good(text);
	const uint64_t print = conf_files_fingerprint(c);
	assert_int_equal(conf_files_hash(c, was, &e), 0);
	assert_string_equal(was, c->files_hash);
	write_named(named, "Bearer other");
	assert_true(conf_files_fingerprint(c) != print);
	assert_int_equal(conf_files_hash(c, is, &e), 0);
	assert_string_not_equal(was, is);
	write_named(named, "Bearer one"); /* written anew, and the same */
	assert_int_equal(conf_files_hash(c, is, &e), 0);
	assert_string_equal(was, is);
	assert_int_equal(unlink(named), 0);
	assert_int_equal(conf_files_hash(c, is, &e), 0);
	assert_string_not_equal(was, is);
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_that_it_names),
		cmocka_unit_test(smallest_file_and_its_defaults),
		cmocka_unit_test(every_form_of_a_file),
		cmocka_unit_test(traps_of_the_library),
		cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(twice_is_once_too_often),
		cmocka_unit_test(ranges_at_their_ends),
		cmocka_unit_test(registries),
		cmocka_unit_test(other_ways),
		cmocka_unit_test(all_mistakes_at_once_and_in_line_order),
		cmocka_unit_test(files_that_were_damaged),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
