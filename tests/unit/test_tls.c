/* TLS over a socket pair: what is trusted, why not, and bytes both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_server.h"
#include "tls_transport.h"

static struct loop loop;
static struct transport t;
static struct tls_context *context;
static struct tls_ticket ticket;
static SSL_CTX *server_context;
static SSL *server;
static int peer = -1;
static char why[TLS_WHY_MAX];

static void on_ready(struct transport *which)
{
	assert_ptr_equal(which, &t);
}

static int setup(void **state)
{
	(void)state;
	return loop_init(&loop);
}

static void hang_up(void)
{
	transport_close(&t);
	SSL_free(server);
	server = NULL;
	fd_close(&peer);
	tls_context_free(TAKE(context));
	if (server_context)
		tls_server_free(TAKE(server_context));
}

static int teardown(void **state)
{
	(void)state;
	hang_up();
	loop_done(&loop);
	return 0;
}

static void dial(const struct tls_server_options *o, const char *name)
{
	struct err e;
	int fd[2];

	server_context = tls_server_new(o);
	if (!context)
		context = tls_context_client(tls_server_ca(), &e);
	assert_non_null(context);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	peer = fd[1];
	server = SSL_new(server_context);
	assert_int_equal(SSL_set_fd(server, peer), 1);
	SSL_set_accept_state(server);
	assert_int_equal(transport_open_plain(&t, &loop, fd[0], on_ready), 0);
	assert_int_equal(tls_begin_client(&t, context, name, &ticket), 0);
}

/* Both sides in turn, until ours is done. */
static int shake(void)
{
	for (int i = 0; i < 50; i++) {
		int r = tls_handshake(&t);
		if (r != -EAGAIN)
			return r;
		(void)SSL_do_handshake(server);
	}
	return -ETIMEDOUT;
}

static void test_bytes_both_ways_and_a_clean_end(void **state)
{
	const struct tls_server_options o = { .dns = "token.example" };
	char got[16], big[40000];

	(void)state;
	dial(&o, "token.example");
	assert_int_equal(shake(), 0);
	assert_int_equal(SSL_do_handshake(server), 1);
	assert_string_equal(SSL_get_servername(server, TLSEXT_NAMETYPE_host_name), "token.example");
	assert_int_equal(transport_read(&t, got, sizeof(got)), -EAGAIN);
	assert_false(t.readable);
	assert_int_equal(transport_write(&t, "ping", 4), 4);
	assert_int_equal(SSL_read(server, got, sizeof(got)), 4);
	memset(big, 'x', sizeof(big));
	assert_int_equal(SSL_write(server, big, sizeof(big)), sizeof(big));
	assert_int_equal(SSL_shutdown(server), 0);
	assert_int_equal(loop_turn(&loop, 0), 0);
	assert_true(t.readable);
	size_t sum = 0;
	ssize_t n;
	while ((n = transport_read(&t, big, sizeof(big))) > 0)
		sum += (size_t)n;
	assert_int_equal(sum, sizeof(big));
	assert_int_equal(n, 0);
}

static void test_an_end_without_close_notify_is_a_reset(void **state)
{
	const struct tls_server_options o = { .dns = "token.example" };
	char got[16];

	(void)state;
	dial(&o, "token.example");
	assert_int_equal(shake(), 0);
	(void)SSL_do_handshake(server);
	fd_close(&peer);
	assert_int_equal(transport_read(&t, got, sizeof(got)), -ECONNRESET);
	assert_true(tls_why(&t)[0] != '\0');
}

static void test_a_server_that_only_closes(void **state)
{
	const struct tls_server_options o = { .dns = "token.example" };

	(void)state;
	dial(&o, "token.example");
	assert_int_equal(tls_handshake(&t), -EAGAIN);
	fd_close(&peer);
	assert_int_equal(tls_handshake(&t), -ECONNRESET);
	assert_true(tls_why(&t)[0] != '\0');
}

static void test_what_is_trusted_and_why_not(void **state)
{
	static const struct row {
		struct tls_server_options server;
		const char *name, *why; /* why NULL = trusted */
	} rows[] = {
		{ { .dns = "token.example" }, "token.example", NULL },
		{ { .dns = "token.example" }, "TOKEN.example", NULL },
		{ { .dns = "*.corp.example" }, "token.corp.example", NULL },
		{ { .ip = "127.0.0.1" }, "127.0.0.1", NULL },
		{ { .ip = "::1" }, "::1", NULL },
		{ { .dns = "token.example", .max_version = TLS1_2_VERSION }, "token.example", NULL },
		{ { .dns = "other.example" }, "token.example", "it is for other.example, not for token.example" },
		{ { .dns = "*.corp.example" }, "a.token.corp.example", "it is for *.corp.example, not for a.token.corp.example" },
		{ { .cn = "token.example" }, "token.example", "no subjectAltName for token.example" },
		{ { .cn = "token.example", .dns = "other.example" }, "token.example", "it is for other.example" },
		{ { .dns = "127.0.0.1" }, "127.0.0.1", "it is for 127.0.0.1, not" },
		{ { .ip = "127.0.0.2" }, "127.0.0.1", "it is for 127.0.0.2, not for 127.0.0.1" },
		{ { .dns = "token.example", .from_s = -7200, .until_s = -60 }, "token.example", "it has expired on 20" },
		{ { .dns = "token.example", .from_s = 3600, .until_s = 7200 }, "token.example", "it is not yet valid, but from 20" },
		{ { .dns = "token.example", .self_signed = true }, "token.example", "self-signed, and not in the CA file" },
		{ { .dns = "token.example", .stranger = true }, "token.example", "signed by 'stranger', which is not in the CA file" },
		{ { .dns = "token.example", .max_version = TLS1_1_VERSION }, "token.example", "the server speaks no version of TLS from 1.2 on" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		dial(&rows[i].server, rows[i].name);
		int r = shake();
		(void)snprintf(why, sizeof(why), "%s", tls_why(&t));
		if (r != (rows[i].why ? -EPROTO : 0))
			fail_msg("row %zu: %d, '%s'", i, r, why);
		if (rows[i].why && !strstr(why, rows[i].why))
			fail_msg("row %zu: '%s' instead of '%s'", i, why, rows[i].why);
		hang_up();
	}
}

static void test_client_certificate(void **state)
{
	const struct tls_server_options o = { .dns = "token.example", .wants_client = true };
	char chain[4096], key[4096], got[8];
	struct err e;

	(void)state;
	dial(&o, "token.example"); /* without one: TLS 1.3 tells the client with its first read */
	int r = shake();
	(void)SSL_do_handshake(server);
	if (r == 0)
		r = (int)transport_read(&t, got, sizeof(got));
	assert_true(r < 0 && r != -EAGAIN);
	assert_non_null(strstr(tls_why(&t), "wants a client certificate"));
	transport_close(&t);
	SSL_free(server);
	fd_close(&peer);

	int fd[2];
	tls_server_client_certificate(server_context, chain, key, sizeof(chain));
	assert_int_equal(tls_context_certificate(context, sv_str(chain), sv_str(key), &e), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	peer = fd[1];
	server = SSL_new(server_context);
	assert_int_equal(SSL_set_fd(server, peer), 1);
	SSL_set_accept_state(server);
	assert_int_equal(transport_open_plain(&t, &loop, fd[0], on_ready), 0);
	assert_int_equal(tls_begin_client(&t, context, "token.example", NULL), 0);
	assert_int_equal(shake(), 0);
	assert_int_equal(SSL_do_handshake(server), 1);
}

static void test_files_that_are_none(void **state)
{
	char chain[4096], key[4096], other[4096];
	struct err e;

	(void)state;
	assert_null(tls_context_client("/nonexistent/ca.pem", &e));
	assert_non_null(strstr(e.text, "/nonexistent/ca.pem: no CA certificates: No such file or directory"));
	assert_null(tls_context_client("/dev/null", &e)); /* no certificate in it */
	const struct tls_server_options o = { .dns = "token.example" };
	server_context = tls_server_new(&o);
	context = tls_context_client(tls_server_ca(), &e);
	assert_non_null(context);
	tls_server_client_certificate(server_context, chain, key, sizeof(chain));
	tls_server_client_certificate(server_context, chain, other, sizeof(chain));
	assert_int_equal(tls_context_certificate(context, sv_str(chain), sv_str(key), &e), -EKEYREJECTED);
	assert_non_null(strstr(e.text, "the key of the certificate"));
	assert_int_equal(tls_context_certificate(context, SV("junk"), sv_str(key), &e), -EINVAL);
	assert_int_equal(tls_context_certificate(context, sv_str(chain), SV("junk"), &e), -EKEYREJECTED);
	assert_int_equal(tls_context_certificate(context, sv_str(chain), sv_str(other), &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes_both_ways_and_a_clean_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_end_without_close_notify_is_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_server_that_only_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_trusted_and_why_not, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_that_are_none, setup, teardown),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
