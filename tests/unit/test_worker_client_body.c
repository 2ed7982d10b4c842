/* The client's side of an answer over a socketpair: order, framing, partial writes, no byte twice or lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "client_body.h"

#define BUF_BYTES (20 * 1024)

struct fixture {
	struct loop loop;
	struct bufpool pool;
	struct buf out;
	struct transport client;
	struct client_body body;
	int peer;
	char *got;
	size_t got_n, got_cap;
};

static void on_client(struct transport *t)
{
	(void)t;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const int small = 4096;
	int fd[2];

	assert_int_equal(loop_init(&f->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	(void)setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	assert_int_equal(transport_open_plain(&f->client, &f->loop, fd[0], on_client), 0);
	f->peer = fd[1];
	bufpool_init(&f->pool, BUF_BYTES, 1);
	assert_int_equal(buf_borrow(&f->out, &f->pool), 0);
	client_body_init(&f->body, &f->client, &f->out);
	f->got_cap = 1 << 20;
	f->got = malloc(f->got_cap);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	transport_close(&f->client);
	fd_close(&f->peer);
	buf_return(&f->out, &f->pool);
	bufpool_done(&f->pool);
	loop_done(&f->loop);
	free(f->got);
	free(f);
	return 0;
}

/* The peer reads at most n bytes. */
static void drain(struct fixture *f, size_t n)
{
	if (n > f->got_cap - f->got_n)
		n = f->got_cap - f->got_n;
	ssize_t r = recv(f->peer, f->got + f->got_n, n, MSG_DONTWAIT);
	if (r > 0)
		f->got_n += (size_t)r;
}

static void put_all(struct fixture *f, const char *bytes, size_t n, size_t piece, size_t read)
{
	size_t at = 0;

	while (at < n) {
		size_t want = n - at < piece ? n - at : piece;
		ssize_t r = f->body.sink.put(&f->body.sink, sv_make(bytes + at, want));
		if (r == -EAGAIN) {
			drain(f, read);
			continue;
		}
		assert_true(r > 0 && (size_t)r <= want);
		at += (size_t)r;
	}
}

static void flush_all(struct fixture *f)
{
	int r;

	while ((r = client_body_flush(&f->body)) == -EAGAIN)
		drain(f, 4096);
	assert_int_equal(r, 0);
	size_t before;
	do {
		before = f->got_n;
		drain(f, 65536);
	} while (f->got_n > before);
}

/* Undoes chunked framing in place; fails the test on anything that is not exactly right. */
static size_t unchunk(char *p, size_t n)
{
	size_t at = 0, out = 0;

	for (;;) {
		char *end;
		size_t size = strtoul(p + at, &end, 16);
		assert_true(end > p + at && end[0] == '\r' && end[1] == '\n');
		at = (size_t)(end - p) + 2;
		assert_true(at + size + 2 <= n);
		memmove(p + out, p + at, size);
		out += size;
		at += size;
		assert_memory_equal(p + at, "\r\n", 2);
		at += 2;
		if (size == 0)
			break;
	}
	assert_int_equal(at, n);
	return out;
}

static void fill(char *p, size_t n)
{
	uint32_t x = 7;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (char)(x >> 24);
	}
}

static void pass(struct fixture *f, bool chunked, size_t size, size_t piece, size_t read)
{
	static const char head[] = "HEAD\r\n\r\n";
	static char data[300000];

	fill(data, size);
	f->got_n = 0;
	assert_true(buf_put(&f->out, sv_str(head)));
	client_body_begin(&f->body, chunked);
	put_all(f, data, size, piece, read);
	assert_true(client_body_end(&f->body));
	flush_all(f);
	f->got[f->got_n] = '\0';
	assert_memory_equal(f->got, head, sizeof(head) - 1);
	char *body = f->got + sizeof(head) - 1;
	size_t n = f->got_n - (sizeof(head) - 1);
	if (chunked)
		n = unchunk(body, n);
	assert_int_equal(n, size);
	assert_memory_equal(body, data, size);
}

static void every_mixture_of_sizes_arrives_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 2047, 2048, 2049, 16384, 70000, 300000 };
	static const size_t pieces[] = { 1, 7, 2048, 2049, 65536 };
	static const size_t reads[] = { 1, 333, 65536 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t j = 0; j < ARRAY_LEN(pieces); j++)
			for (size_t k = 0; k < ARRAY_LEN(reads); k++) {
				if (sizes[i] / pieces[j] > 5000 || (sizes[i] > 20000 && reads[k] == 1))
					continue;
				pass(f, false, sizes[i], pieces[j], reads[k]);
				pass(f, true, sizes[i], pieces[j], reads[k]);
			}
}

static void head_and_small_body_leave_in_one_write(void **state)
{
	struct fixture *f = *state;
	char got[64];

	assert_true(buf_put(&f->out, SV("HEAD\r\n\r\n")));
	client_body_begin(&f->body, true);
	assert_int_equal(f->body.sink.put(&f->body.sink, SV("hello")), 5);
	assert_int_equal(f->body.written, 0);
	assert_true(client_body_end(&f->body));
	assert_int_equal(client_body_flush(&f->body), 0);
	ssize_t n = recv(f->peer, got, sizeof(got), MSG_DONTWAIT);
	assert_int_equal(n, 8 + 3 + 5 + 2 + 5);
	assert_memory_equal(got, "HEAD\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 23);
	assert_int_equal(f->body.written, 23);
}

static void a_chunk_that_is_not_full_has_no_end(void **state)
{
	struct fixture *f = *state;
	static char data[65536];
	ssize_t n = 0;

	client_body_begin(&f->body, true);
	while (n >= 0 && (n == 0 || n == sizeof(data)))
		n = f->body.sink.put(&f->body.sink, sv_make(data, sizeof(data)));
	assert_true(f->body.chunk_left > 0); /* announced, and the client is full */
	assert_false(client_body_end(&f->body));
}

static void full_client_is_told_apart_from_a_gone_one(void **state)
{
	struct fixture *f = *state;
	static char data[100000];
	ssize_t r;

	client_body_begin(&f->body, false);
	while ((r = f->body.sink.put(&f->body.sink, sv_make(data, sizeof(data)))) > 0)
		;
	assert_int_equal(r, -EAGAIN);
	assert_false(f->client.writable);
	fd_close(&f->peer);
	assert_int_equal(f->body.sink.put(&f->body.sink, sv_make(data, sizeof(data))), -EPIPE);
}

/* After the head that waits; not as a chunk, whose size would have to be known first. */
static void bytes_of_a_pipe_follow_what_waits(void **state)
{
	struct fixture *f = *state;
	struct sink *s = &f->body.sink;
	int end[2];

	assert_int_equal(pipe2(end, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(end[1], "0123456789", 10), 10);
	client_body_begin(&f->body, false);
	assert_true(s->may_pipe(s));
	assert_true(buf_put(&f->out, SV("HEAD ")));
	assert_int_equal(s->put(s, SV("first ")), 6);
	assert_int_equal(s->put_pipe(s, end[0], 4), 4);
	assert_int_equal(f->body.written, 15);
	drain(f, 100);
	assert_int_equal(f->got_n, 15);
	assert_memory_equal(f->got, "HEAD first 0123", 15);
	while (s->put(s, SV("................................................................................")) > 0)
		;
	assert_int_equal(s->put_pipe(s, end[0], 6), -EAGAIN);
	client_body_begin(&f->body, true);
	assert_false(s->may_pipe(s));
	close(end[0]);
	close(end[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_mixture_of_sizes_arrives_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(head_and_small_body_leave_in_one_write, setup, teardown),
		cmocka_unit_test_setup_teardown(a_chunk_that_is_not_full_has_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(full_client_is_told_apart_from_a_gone_one, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_of_a_pipe_follow_what_waits, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
