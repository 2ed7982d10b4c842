/* What a confined keeper still can: its questions to a DNS server are not to be foreseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "keeper_confine.h"
#include "names.h"
#include "scratch.h"

#define PATIENCE_S 10
#define QUESTIONS  2 /* A and AAAA of one name */

static char none[] = "";
static struct conf_proxy proxy = { .credentials = none };
static struct conf conf = { .proxies = 1, .proxy = { &proxy }, .names_count = 1 };
static struct heritage heritage = { .conf = &conf };
static char resolv_conf[256], name[] = "cp.test";
static int server;
static uint16_t port;

static int setup(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	socklen_t len = sizeof(sa);
	struct err e;

	if (scratch_setup(state) < 0)
		return -1;
	(void)snprintf(resolv_conf, sizeof(resolv_conf), "%s", scratch("resolv.conf", "nameserver 127.0.0.1\n"));
	proxy.token_file = resolv_conf; /* where that is can be read by the keeper */
	conf.names[0] = name;
	heritage.shm = shm_open_anonymous(&e);
	heritage.stats = &heritage.shm->slot[1];
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(server, (struct sockaddr *)&sa, len) < 0 || getsockname(server, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	port = ntohs(sa.sin_port);
	return setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static int teardown(void **state)
{
	shm_close(heritage.shm);
	(void)close(server);
	return scratch_teardown(state);
}

/* As keeper_main: names are set up, then it is confined, then asked for. */
static void ask(void)
{
	const struct lookup_tuning tuning = { .resolv_conf = resolv_conf, .port = port };
	struct loop loop;
	struct err e;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (loop_init(&loop) < 0 || !names_new(&loop, &heritage, &tuning, &e) || keeper_confine(&heritage, &e) < 0)
		_exit(1);
	_exit(loop_run(&loop) < 0);
}

/* The ids of the first questions of a new keeper. */
static void ids_of_one(uint16_t id[QUESTIONS])
{
	uint8_t m[512];
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		ask();
	for (int i = 0; i < QUESTIONS; i++) {
		assert_true(recv(server, m, sizeof(m), 0) > 12);
		id[i] = (uint16_t)(m[0] << 8 | m[1]);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (recv(server, m, sizeof(m), MSG_DONTWAIT) > 0)
		;
}

static void ids_of_questions_are_random(void **state)
{
	uint16_t one[QUESTIONS], other[QUESTIONS];

	(void)state;
	ids_of_one(one);
	ids_of_one(other);
	assert_memory_not_equal(one, other, sizeof(one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ids_of_questions_are_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
