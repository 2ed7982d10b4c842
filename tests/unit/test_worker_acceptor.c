/* The acceptor on a loopback listener: limit, kick, leaving for good, want of descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "acceptor.h"
#include "arrive.h"
#include "log.h"

#define CLIENTS 64

struct fixture {
	struct loop loop;
	struct shm *shm;
	struct heritage h;
	struct acceptor acceptor;
	struct sockaddr_in at;
	int client[CLIENTS], taken[CLIENTS];
	unsigned clients, count;
	int refuse_with, broken;
};

static struct fixture *current;

static int take(struct acceptor *a, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct fixture *f = current;

	assert_int_equal(peer->sa_family, AF_INET);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	if (f->refuse_with)
		return f->refuse_with;
	f->taken[f->count++] = fd;
	acceptor_clients(a, f->count);
	return 0;
}

static void broken(struct acceptor *a, int error)
{
	(void)a;
	current->broken = error;
}

static void open_with(struct fixture *f, unsigned limit, unsigned workers)
{
	const struct acceptor_options o = { .limit = limit, .workers = workers, .send_timeout = 1000, .take = take,
		                            .broken = broken };
	struct err e;

	assert_int_equal(acceptor_open(&f->acceptor, &f->loop, &f->h, &o, &e), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	socklen_t len = sizeof(f->at);
	struct err e;

	current = f;
	assert_int_equal(loop_init(&f->loop), 0);
	f->shm = shm_open_anonymous(&e);
	assert_non_null(f->shm);
	f->h.shm = f->shm;
	f->h.stats = &f->shm->slot[1];
	f->h.listen_fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	f->h.listeners = 1;
	f->at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(f->h.listen_fd[0], (struct sockaddr *)&f->at, sizeof(f->at)), 0);
	assert_int_equal(listen(f->h.listen_fd[0], 128), 0);
	assert_int_equal(getsockname(f->h.listen_fd[0], (struct sockaddr *)&f->at, &len), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->refuse_with = -ECANCELED;
	acceptor_close(&f->acceptor);
	for (unsigned i = 0; i < f->clients; i++)
		fd_close(&f->client[i]);
	for (unsigned i = 0; i < f->count; i++)
		fd_close(&f->taken[i]);
	loop_done(&f->loop);
	shm_close(f->shm);
	free(f);
	return 0;
}

/* n more clients connect; the kernel completes them without us. */
static void dial(struct fixture *f, unsigned n)
{
	while (n--) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(fd >= 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&f->at, sizeof(f->at)), 0);
		f->client[f->clients++] = fd;
	}
}

static void turns(struct fixture *f, unsigned n)
{
	while (n--) {
		arrive(); /* the last packet of a handshake, which connect() does not wait for */
		assert_int_equal(loop_turn(&f->loop, 0), 0);
	}
}

static void all_are_taken_a_few_a_turn(void **state)
{
	struct fixture *f = *state;

	open_with(f, 100, 2);
	dial(f, 20);
	turns(f, 1);
	assert_in_range(f->count, 1, 16);
	turns(f, 5);
	assert_int_equal(f->count, 20);
	assert_int_equal(f->acceptor.state, ACCEPTOR_OPEN);
}

static void limit_leaves_the_rest_in_the_queue(void **state)
{
	struct fixture *f = *state;

	open_with(f, 8, 1);
	dial(f, 12);
	turns(f, 5);
	assert_int_equal(f->count, 8);
	assert_int_equal(f->acceptor.state, ACCEPTOR_FULL);
	fd_close(&f->taken[--f->count]);
	acceptor_clients(&f->acceptor, f->count);
	assert_int_equal(f->acceptor.state, ACCEPTOR_OPEN);
	turns(f, 5);
	assert_int_equal(f->count, 8);
}

static void kick_finds_a_client_whose_wake_up_was_lost(void **state)
{
	struct fixture *f = *state;

	open_with(f, 8, 2);
	dial(f, 1);
	acceptor_kick(&f->acceptor);
	turns(f, 1);
	assert_int_equal(f->count, 1);
}

static void leaving_takes_what_is_queued(void **state)
{
	struct fixture *f = *state;

	open_with(f, 100, 2);
	dial(f, 40);
	arrive();
	acceptor_close(&f->acceptor);
	assert_int_equal(f->count, 40);
	assert_int_equal(f->acceptor.listener[0].fd, -1);
	acceptor_kick(&f->acceptor);
	acceptor_clients(&f->acceptor, 0);
	acceptor_close(&f->acceptor);
	turns(f, 1);
}

/* A worker that ends without having served leaves the queue to the others. */
static void abandoning_takes_nobody(void **state)
{
	struct fixture *f = *state;
	const int other = dup(f->h.listen_fd[0]); /* the queue is the socket's, and lives with the last descriptor */
	char byte;

	open_with(f, 100, 2);
	dial(f, 3);
	acceptor_abandon(&f->acceptor);
	assert_int_equal(f->count, 0);
	assert_int_equal(f->acceptor.listener[0].fd, -1);
	for (unsigned i = 0; i < 3; i++) {
		f->taken[f->count] = accept(other, NULL, NULL);
		assert_true(f->taken[f->count++] >= 0);
		assert_int_equal(recv(f->client[i], &byte, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, EAGAIN);
	}
	assert_int_equal(close(other), 0);
	acceptor_abandon(&f->acceptor);
	acceptor_close(&f->acceptor);
}

static void want_of_descriptors_pauses_and_recovers(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, low;
	int next = dup(0);

	open_with(f, 100, 2);
	dial(f, 3);
	arrive(); /* its socket is opened while there are descriptors */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)f->client[2] + 1;
	fd_close(&next);
	next = dup(0); /* fills the hole below */
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	turns(f, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(f->acceptor.state, ACCEPTOR_PAUSED);
	assert_int_equal(stats_get(&f->h.stats->accept_paused), 1);
	unsigned taken = f->count;
	uint64_t spins = f->loop.turns;
	while (f->acceptor.state == ACCEPTOR_PAUSED)
		assert_int_equal(loop_turn(&f->loop, -1), 0);
	assert_in_range(f->loop.turns - spins, 1, 3);
	turns(f, 3);
	assert_int_equal(f->count, 3);
	assert_in_range(taken, 0, 1);
	fd_close(&next);
}

static void who_has_more_than_its_share_goes_to_the_end_of_the_line(void **state)
{
	struct fixture *f = *state;

	open_with(f, 100, 2);
	dial(f, 15);
	turns(f, 5);
	/* 15 accepted, mean of the slots 0, so from the 9th on every batch ends with a new entry. */
	assert_int_equal(f->count, 15);
	assert_int_equal(f->acceptor.since_turn, 0);
}

static void a_client_nobody_can_serve_is_closed(void **state)
{
	struct fixture *f = *state;
	char byte;

	open_with(f, 100, 2);
	f->refuse_with = -ENOMEM;
	log_set_level(LOG_LEVEL_ERROR);
	dial(f, 1);
	turns(f, 1);
	assert_int_equal(recv(f->client[0], &byte, 1, 0), 0);
}

static void verdicts(void **state)
{
	static const int retry[] = { EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
		                     EOPNOTSUPP, ENETUNREACH, EPERM, ETIMEDOUT };
	static const int pauses[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
	static const int bugs[] = { EBADF, EINVAL, ENOTSOCK };

	(void)state;
	assert_int_equal(acceptor_verdict(EAGAIN), ACCEPTOR_EMPTY);
	for (size_t i = 0; i < ARRAY_LEN(retry); i++)
		assert_int_equal(acceptor_verdict(retry[i]), ACCEPTOR_RETRY);
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++)
		assert_int_equal(acceptor_verdict(pauses[i]), ACCEPTOR_PAUSE);
	for (size_t i = 0; i < ARRAY_LEN(bugs); i++)
		assert_int_equal(acceptor_verdict(bugs[i]), ACCEPTOR_BROKEN);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_are_taken_a_few_a_turn),
		T(limit_leaves_the_rest_in_the_queue),
		T(kick_finds_a_client_whose_wake_up_was_lost),
		T(leaving_takes_what_is_queued),
		T(abandoning_takes_nobody),
		T(want_of_descriptors_pauses_and_recovers),
		T(who_has_more_than_its_share_goes_to_the_end_of_the_line),
		T(a_client_nobody_can_serve_is_closed),
		cmocka_unit_test(verdicts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
