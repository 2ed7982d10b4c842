/* TLS with both ends ours: short handshakes, what is written while the socket is full, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "arrive.h"
#include "clock.h"
#include "tls_impl.h"
#include "tls_server.h"

static struct loop loop;
static struct transport client, server;
static struct tls_context *client_context, *server_context;
static struct tls_ticket ticket;
static SSL_CTX *ca; /* whose certificate is in the file */

static void on_ready(struct transport *t)
{
	(void)t;
}

static int setup(void **state)
{
	static const struct tls_server_options o = { .dns = "relay.example" };
	char chain[4096], key[4096];
	struct err e;

	(void)state;
	if (loop_init(&loop) < 0)
		return -1;
	ca = tls_server_new(&o);
	tls_server_leaf(&o, chain, key, sizeof(chain));
	client_context = tls_context_client(tls_server_ca(), &e);
	server_context = tls_context_server(sv_str(chain), sv_str(key), &e);
	return client_context && server_context ? 0 : -1;
}

static void hang_up(void)
{
	transport_close(&client);
	transport_close(&server);
}

static int teardown(void **state)
{
	(void)state;
	hang_up();
	tls_ticket_free(&ticket);
	tls_context_free(TAKE(client_context));
	tls_context_free(TAKE(server_context));
	tls_server_free(ca);
	loop_done(&loop);
	return 0;
}

/* Both sides in turn, until both are done. */
static void shake(void)
{
	int c = -EAGAIN, s = -EAGAIN;

	for (int i = 0; i < 50 && (c || s); i++) {
		c = c ? tls_handshake(&client) : 0;
		arrive();
		s = s ? tls_handshake(&server) : 0;
		arrive();
		if ((c && c != -EAGAIN) || (s && s != -EAGAIN))
			fail_msg("%d '%s', %d '%s'", c, tls_why(&client), s, tls_why(&server));
	}
	assert_int_equal(c | s, 0);
}

static void open_on(const int fd[2])
{
	assert_int_equal(transport_open_plain(&client, &loop, fd[0], on_ready), 0);
	assert_int_equal(transport_open_plain(&server, &loop, fd[1], on_ready), 0);
	assert_false(tls_is(&client));
	assert_int_equal(tls_begin_client(&client, client_context, "relay.example", &ticket), 0);
	assert_int_equal(tls_begin_server(&server, server_context), 0);
	assert_true(tls_is(&client));
	shake();
}

static void open_both(int small)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	if (small)
		assert_int_equal(setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	open_on(fd);
}

/* TCP tells what waits in a socket. */
static void open_tcp(int small)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd[2] = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1 };

	assert_int_equal(bind(listener, (struct sockaddr *)&at, len) | listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&at, len), 0);
	fd[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	if (small)
		assert_int_equal(setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	fd_close(&listener);
	open_on(fd);
}

static void test_a_ticket_shortens_the_next_handshake(void **state)
{
	char got[8];

	(void)state;
	open_both(0);
	assert_false(tls_resumed(&client));
	assert_int_equal(transport_write(&server, "x", 1), 1);
	assert_int_equal(transport_read(&client, got, sizeof(got)), 1); /* the ticket comes with it */
	assert_non_null(ticket.session);
	hang_up();
	open_both(0);
	assert_true(tls_resumed(&client));
	assert_true(tls_resumed(&server));
}

static void fill(char *dst, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = (char)((from + i) * 31 % 251);
}

static void drain(size_t *got, size_t until)
{
	char bytes[50000], want[50000];
	ssize_t n;

	while (*got < until && (n = transport_read(&client, bytes, sizeof(bytes))) > 0) {
		fill(want, (size_t)n, *got);
		assert_memory_equal(bytes, want, (size_t)n);
		*got += (size_t)n;
	}
}

/* meanwhile: called again and again, also when the socket is full and nothing of a record is owed. */
static void offer_again(void (*meanwhile)(void))
{
	static const size_t sizes[] = { 40000, 100, 1, 16384, 5000, 3, 70000, 17 };
	const size_t all = 2000000;
	size_t sent = 0, got = 0, refused = 0;
	static char bytes[70000];

	open_both(meanwhile ? 40000 : 4096); /* whole records fit, or none does */
	for (unsigned i = 0; sent < all && i < 1000000; i++) {
		size_t n = meanwhile ? 16384 : sizes[i % ARRAY_LEN(sizes)];
		n = n < all - sent ? n : all - sent;
		fill(bytes, n, sent);
		const ssize_t r = transport_write(&server, bytes, n);
		if (r == -EAGAIN) {
			refused++;
			if (refused % 3 == 0)
				drain(&got, all);
			continue;
		}
		assert_in_range(r, 1, n);
		sent += (size_t)r;
		if (meanwhile)
			meanwhile();
	}
	drain(&got, all);
	assert_int_equal(got, all);
	assert_true(refused > 10);
}

/* What a full socket had of a record may be offered again in pieces of other sizes, smaller ones, too. */
static void test_what_is_offered_again_may_be_cut_in_another_way(void **state)
{
	(void)state;
	offer_again(NULL);
}

/* The peer wants new keys of us, which must go out before anything else (RFC 8446 4.6.3). */
static void ask_for_new_keys(void)
{
	const struct tls_layer *l = client.layer;
	char got[8];

	assert_int_equal(SSL_key_update(l->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_do_handshake(l->ssl), 1);
	server.readable = true;
	assert_int_equal(transport_read(&server, got, sizeof(got)), -EAGAIN);
}

static void test_the_same_when_keys_change(void **state)
{
	(void)state;
	offer_again(ask_for_new_keys);
}

/* The peer wants short records (RFC 6066 4): a part of what was offered is not encrypted yet when the socket is full. */
static void test_the_same_in_short_records(void **state)
{
	(void)state;
	assert_int_equal(SSL_CTX_set_tlsext_max_fragment_length(client_context->ctx, TLSEXT_max_fragment_length_1024), 1);
	offer_again(NULL);
}

static void test_parts_leave_in_one_record(void **state)
{
	const struct iovec part[] = { { (void *)(uintptr_t) "head", 4 }, { NULL, 0 }, { (void *)(uintptr_t) "body", 4 } };
	char got[16];

	(void)state;
	open_both(0);
	assert_int_equal(transport_writev(&server, part, ARRAY_LEN(part)), 8);
	assert_int_equal(transport_read(&client, got, sizeof(got)), 8);
	assert_memory_equal(got, "headbody", 8);
}

/* Until the socket is full: the bytes taken. */
static size_t write_until_full(void)
{
	static char bytes[TLS_AT_ONCE];
	size_t sent = 0;
	ssize_t r;

	do {
		fill(bytes, sizeof(bytes), sent);
		r = transport_write(&server, bytes, sizeof(bytes));
		if (r > 0)
			sent += (size_t)r;
	} while (r > 0);
	assert_int_equal(r, -EAGAIN);
	return sent;
}

static const struct tls_out *server_out(void)
{
	return &((const struct tls_layer *)server.layer)->out;
}

static void test_many_records_leave_at_once_and_few_are_kept(void **state)
{
	size_t got = 0, sent;
	char none;

	(void)state;
	open_tcp(0);
	assert_int_equal(tls_out_room(server_out()), TLS_AT_ONCE);
	sent = write_until_full();
	assert_true(sent >= TLS_AT_ONCE);
	assert_int_equal(tls_out_room(server_out()), 0);
	assert_non_null(server_out()->kept);
	assert_in_range(server_out()->end - server_out()->from, 1, TLS_AT_ONCE + 16 * 1024);
	size_t kept = tls_kept(&server);
	assert_int_equal(kept, server_out()->end - server_out()->from);
	for (unsigned i = 0; got < sent && i < 1000000; i++) {
		drain(&got, sent);
		assert_int_equal(transport_read(&server, &none, 1), -EAGAIN); /* reading sends, too */
		assert_true(tls_kept(&server) <= kept);
		kept = tls_kept(&server);
	}
	drain(&got, sent);
	assert_int_equal(got, sent);
	assert_null(server_out()->kept);
	assert_int_equal(tls_kept(&server), 0);
	assert_int_equal(tls_out_room(server_out()), TLS_AT_ONCE);
}

/* What all of them that do not read may keep is bounded; above that, a record each. */
static void test_what_is_kept_for_all_is_bounded(void **state)
{
	struct transport stuck[20][2];
	size_t kept = 0, last = 0, first = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(stuck); i++) {
		open_tcp(4096);
		(void)write_until_full();
		last = server_out()->end - server_out()->from;
		first = first ? first : last;
		kept += last;
		stuck[i][0] = client; /* their watches stay where they were: nothing turns the loop meanwhile */
		stuck[i][1] = server;
	}
	assert_true(first > 2 * TLS_RECORD_MAX);
	assert_true(last <= 2 * TLS_RECORD_MAX);
	assert_true(kept <= 4 * 1024 * 1024 + ARRAY_LEN(stuck) * 2 * TLS_RECORD_MAX);
	for (unsigned i = 0; i < ARRAY_LEN(stuck); i++) {
		client = stuck[i][0];
		server = stuck[i][1];
		hang_up();
	}
}

static void test_ends(void **state)
{
	char got[16];

	(void)state;
	open_both(0);
	assert_int_equal(transport_shut(&server), 0);
	assert_int_equal(transport_read(&client, got, sizeof(got)), 0);
	assert_int_equal(transport_write(&client, "late", 4), 4); /* the other direction goes on */
	assert_int_equal(transport_read(&server, got, sizeof(got)), 4);
	hang_up();
	open_both(0);
	transport_reset(&server); /* no close_notify: nothing that looks like an end */
	const ssize_t n = transport_read(&client, got, sizeof(got));
	assert_int_equal(n, -ECONNRESET);
	assert_non_null(strstr(tls_why(&client), "without a close_notify"));
}

/* The socket is full when the end is said: close_notify leaves behind what is kept, and FIN behind both. */
static void test_an_end_behind_a_full_socket(void **state)
{
	size_t got = 0;
	ssize_t n = -EAGAIN;
	char none;

	(void)state;
	open_tcp(4096);
	const size_t sent = write_until_full();
	assert_non_null(server_out()->kept);
	assert_int_equal(transport_shut(&server), 0);
	for (unsigned i = 0; n == -EAGAIN && i < 1000000; i++) {
		drain(&got, sent);
		(void)!transport_read(&server, &none, 1);
		if (got >= sent) {
			char rest[TLS_RECORD_MAX];
			n = transport_read(&client, rest, sizeof(rest)); /* of the record that was withheld */
			n = n > 0 ? -EAGAIN : n;
		}
	}
	assert_int_equal(n, 0);
	assert_int_equal(recv(client.fd, &none, 1, 0), 0);
}

/* Stands before the socket's BIO and acts as that does when the kernel decrypts: a read brings one record, plain, behind its head. */
static int kernel_read(BIO *b, char *bytes, int n)
{
	BIO *socket = BIO_next(b);
	int r = BIO_read(socket, bytes, 5);

	BIO_clear_retry_flags(b);
	if (r == 5) {
		const int length = (unsigned char)bytes[3] << 8 | (unsigned char)bytes[4];
		assert_true(length + 5 <= n);
		r += BIO_read(socket, bytes + 5, length);
	}
	BIO_copy_next_retry(b);
	return r;
}

static int kernel_write(BIO *b, const char *bytes, int n)
{
	return BIO_write(BIO_next(b), bytes, n);
}

static long kernel_ctrl(BIO *b, int what, long number, void *pointer)
{
	return what == BIO_CTRL_GET_KTLS_RECV ? 1 : BIO_ctrl(BIO_next(b), what, number, pointer);
}

/* The other way round, for what asks only whether it is so. */
static long kernel_send_ctrl(BIO *b, int what, long number, void *pointer)
{
	return what == BIO_CTRL_GET_KTLS_SEND ? 1 : BIO_ctrl(BIO_next(b), what, number, pointer);
}

typedef long kernel_ctrl_fn(BIO *b, int what, long number, void *pointer);

static BIO_METHOD *let_kernel(const struct transport *t, kernel_ctrl_fn *ctrl)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "kernel");

	assert_non_null(m);
	assert_true(BIO_meth_set_read(m, kernel_read) && BIO_meth_set_write(m, kernel_write) && BIO_meth_set_ctrl(m, ctrl));
	BIO *front = SSL_get_rbio(tls_layer_of(t)->ssl), *kernel = BIO_new(m), *socket = BIO_pop(front);
	BIO_set_init(kernel, 1);
	(void)BIO_push(front, BIO_push(kernel, socket));
	return m;
}

/* A read brings one, whatever waits behind it: that it is short does not mean that the socket is empty. */
static void test_records_that_the_kernel_decrypts(void **state)
{
	static const char two[] = "\x17\x03\x03\x00\x05" "GET /" "\x17\x03\x03\x00\x03" "v2/";
	char got[64];

	(void)state;
	assert_true(SSL_CTX_set_max_proto_version(server_context->ctx, TLS1_2_VERSION));
	open_both(0);
	BIO_METHOD *kernel = let_kernel(&server, kernel_ctrl);
	server.readable = true;
	assert_int_equal(write(client.fd, two, sizeof(two) - 1), sizeof(two) - 1);
	assert_int_equal(transport_read(&server, got, sizeof(got)), 8);
	assert_memory_equal(got, "GET /v2/", 8);
	assert_false(server.readable);
	transport_reset(&client);
	hang_up();
	BIO_meth_free(kernel);
}

/* The socket was empty when the first two records were read from it, and is not any more when the second one is taken. */
static void test_what_came_behind_a_record_that_was_left_is_read(void **state)
{
	char got[16];
	size_t n = 3;

	(void)state;
	open_both(0);
	assert_int_equal(transport_write(&client, "abc", 3), 3);
	assert_int_equal(transport_write(&client, "def", 3), 3);
	assert_int_equal(loop_turn(&loop, 0), 0);
	assert_int_equal(transport_read(&server, got, 3), 3);
	assert_true(server.readable);
	assert_int_equal(transport_write(&client, "ghi", 3), 3);
	assert_int_equal(loop_turn(&loop, 0), 0); /* its edge: there is no other one */
	while (server.readable) {
		const ssize_t r = transport_read(&server, got + n, sizeof(got) - n);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(n, 9);
	assert_memory_equal(got, "abcdefghi", 9);
}

/* Where the kernel encrypts, writing waits for room alone: a peer that says something has taken nothing by that. */
static void test_bytes_are_no_room_where_the_kernel_encrypts(void **state)
{
	static const char bytes[TLS_RECORD_MAX];
	const uint64_t until = clock_now_ms() + 20000;
	char got;

	(void)state;
	open_both(4096);
	BIO_METHOD *kernel = let_kernel(&server, kernel_send_ctrl);
	assert_int_equal(tls_handshake(&server), 0);
	assert_int_equal(transport_read(&server, &got, 1), -EAGAIN);
	while (transport_write(&server, bytes, sizeof(bytes)) > 0)
		;
	assert_false(server.writable);
	assert_int_equal(transport_write(&client, "G", 1), 1);
	while (!server.readable && clock_now_ms() < until)
		assert_int_equal(loop_turn(&loop, 20), 0);
	assert_false(server.writable);
	assert_int_equal(transport_read(&server, &got, 1), 1);
	transport_reset(&client);
	transport_reset(&server);
	BIO_meth_free(kernel);
}

static void test_bytes_before_a_break_are_delivered_first(void **state)
{
	char got[16];

	(void)state;
	open_both(0);
	assert_int_equal(transport_write(&server, "some", 4), 4);
	transport_reset(&server);
	assert_int_equal(transport_read(&client, got, sizeof(got)), 4);
	assert_int_equal(transport_read(&client, got, sizeof(got)), -ECONNRESET);
	assert_true(tls_why(&client)[0] != '\0');
}

static void test_garbage_and_plain_http(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(transport_open_plain(&client, &loop, fd[0], on_ready), 0);
	assert_int_equal(tls_begin_client(&client, client_context, "relay.example", NULL), 0);
	assert_int_equal(tls_handshake(&client), -EAGAIN);
	assert_int_equal(write(fd[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
	assert_int_equal(tls_handshake(&client), -EPROTO);
	assert_non_null(strstr(tls_why(&client), "speaks no TLS on this port"));
	fd_close(&fd[1]);
}

static void test_when_a_certificate_ends(void **state)
{
	const uint64_t now = (uint64_t)time(NULL);

	(void)state;
	assert_in_range(tls_context_expires(server_context), now + 3500, now + 3700);
	assert_int_equal(tls_context_expires(client_context), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_ticket_shortens_the_next_handshake),
		T(test_what_is_offered_again_may_be_cut_in_another_way),
		T(test_the_same_when_keys_change),
		T(test_the_same_in_short_records),
		T(test_parts_leave_in_one_record),
		T(test_many_records_leave_at_once_and_few_are_kept),
		T(test_what_is_kept_for_all_is_bounded),
		T(test_ends),
		T(test_an_end_behind_a_full_socket),
		T(test_records_that_the_kernel_decrypts),
		T(test_what_came_behind_a_record_that_was_left_is_read),
		T(test_bytes_are_no_room_where_the_kernel_encrypts),
		T(test_bytes_before_a_break_are_delivered_first),
		T(test_garbage_and_plain_http),
		T(test_when_a_certificate_ends),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
