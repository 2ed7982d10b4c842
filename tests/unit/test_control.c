/* Unit test: the control API over a real socket, server and clients in one process, turn by turn. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "clock.h"
#include "control_double.h"
#include "errors.h"
#include "msg.h"

#define ANSWER_BYTES (4u << 20)
#define PATIENCE_MS  20000

static char dir[] = "/tmp/rr-control-XXXXXX";
static char path[64];
static struct master master;
static struct control *control;
static sd_event *event;
static char *answer; /* ANSWER_BYTES */
static size_t answer_len;

static int open_server(void **state)
{
	(void)state;
	master = (struct master){ .conf = control_double_conf(path), .series = 3 };
	control = control_open(master.conf, NULL);
	answer = malloc(ANSWER_BYTES);
	return control && answer && sd_event_new(&event) >= 0 ? control_start(control, event, &master) : -1;
}

static int close_server(void **state)
{
	(void)state;
	control_close(control);
	control = NULL;
	event = sd_event_unref(event);
	free(TAKE(answer));
	return access(path, F_OK) == 0 ? -1 : 0;
}

static void turn(void)
{
	assert_true(sd_event_run(event, 1000) >= 0);
}

static int dial(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(sv_copy(at.sun_path, sizeof(at.sun_path), sv_str(path)));
	assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Sends all of it, turning the server while its buffers are full. */
static void send_text(int fd, const char *text, size_t n)
{
	while (n) {
		const ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EPIPE)
			return;
		if (sent < 0) {
			assert_int_equal(errno, EAGAIN);
			turn();
			continue;
		}
		text += sent;
		n -= (size_t)sent;
	}
}

/* Reads until `end` (at the end of the stream) or until the Content-Length is there. */
static void receive(int fd, bool to_end)
{
	const uint64_t give_up = clock_now_ms() + PATIENCE_MS;
	ssize_t n;

	answer_len = 0;
	while (clock_now_ms() < give_up) {
		n = recv(fd, answer + answer_len, ANSWER_BYTES - answer_len - 1, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			turn();
			continue;
		}
		answer_len += (size_t)n;
		answer[answer_len] = '\0';
		if (!to_end && answer[answer_len - 1] == '\n' && strstr(answer, "}\n"))
			break;
	}
	answer[answer_len] = '\0';
	assert_true(clock_now_ms() < give_up);
}

/* One exchange; the status.  The answer is whole: head, Content-Length, body. */
static unsigned ask_raw(const char *text, size_t n)
{
	const int fd = dial();
	unsigned status = 0;
	char *body;

	send_text(fd, text, n);
	receive(fd, true);
	close(fd);
	assert_int_equal(sscanf(answer, "HTTP/1.1 %u ", &status), 1);
	body = strstr(answer, "\r\n\r\n");
	assert_non_null(body);
	const char *length = strstr(answer, "Content-Length: ");
	assert_non_null(length);
	assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body + 4));
	memmove(answer, body + 4, strlen(body + 4) + 1);
	return status;
}

static unsigned ask(const char *text)
{
	return ask_raw(text, strlen(text));
}

static json_t *document(const char *target)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	assert_int_equal(ask(text), 200);
	json_t *root = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	return root;
}

static void status_has_all_keys(void **state)
{
	static const char *const keys[] = { "version", "pid", "keeper_pid", "generation", "state", "uptime_s", "config",
		                            "last_reload", "listeners", "upstreams", "workers", "public_port", "registries" };
	json_t *root = document("/v1/status");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_non_null(json_object_get(root, keys[i]));
	assert_int_equal(json_integer_value(json_object_get(root, "pid")), getpid());
	assert_string_equal(json_string_value(json_object_get(root, "state")), "serving");
	const json_t *config = json_object_get(root, "config");
	assert_string_equal(json_string_value(json_object_get(config, "path")), "/etc/?.ini");
	const json_t *upstream = json_array_get(json_object_get(root, "upstreams"), 0);
	assert_true(json_is_null(json_object_get(upstream, "last_error")));
	assert_true(json_real_value(json_object_get(json_object_get(upstream, "last_success"), "age_s")) == 0.25);
	json_decref(root);
}

static void failure_of_an_upstream_is_explained(void **state)
{
	(void)state;
	master.last_error = ERROR_TUNNEL_DOWN;
	json_t *root = document("/v1/status");
	const json_t *upstream = json_array_get(json_object_get(root, "upstreams"), 0);
	const json_t *error = json_object_get(upstream, "last_error");
	assert_string_equal(json_string_value(json_object_get(error, "id")), "tunnel-down");
	assert_string_equal(json_string_value(json_object_get(error, "fix")), error_row(ERROR_TUNNEL_DOWN)->fix);
	assert_true(json_is_null(json_object_get(upstream, "last_success")));
	json_decref(root);

	master.last_error = 4711; /* a claim that is no id */
	root = document("/v1/status");
	upstream = json_array_get(json_object_get(root, "upstreams"), 0);
	assert_true(json_is_null(json_object_get(upstream, "last_error")));
	json_decref(root);
}

static void workers_have_six_keys(void **state)
{
	json_t *root = document("/v1/workers");
	const json_t *rows = json_object_get(root, "workers");

	(void)state;
	assert_int_equal(json_object_size(root), 1);
	assert_int_equal(json_array_size(rows), 2);
	assert_int_equal(json_object_size(json_array_get(rows, 0)), 6);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "sessions")), 13);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 1), "heartbeat_age_ms")), INT64_MAX);
	json_decref(root);
}

static void stats_are_flat(void **state)
{
	json_t *root = document("/v1/stats?all");

	(void)state;
	assert_int_equal(json_object_size(root), 3);
	assert_int_equal(json_integer_value(json_object_get(root, "regrelay_0_total{upstream=\"default\"}")), 17);
	assert_true(json_is_integer(json_object_get(root, "regrelay_1_total{upstream=\"default\"}")));
	assert_true(json_real_value(json_object_get(root, "regrelay_2_total{upstream=\"default\"}")) == 0.25);
	json_decref(root);
}

static void wrong_requests_are_refused(void **state)
{
	static const struct {
		unsigned status;
		const char *text;
	} all[] = {
		{ 404, "GET / HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 404, "GET /v1/statusx HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 404, "DELETE /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 405, "POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" },
		{ 405, "GET /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 405, "GET /v1/doctor HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 405, "DELETE /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 413, "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n" },
		{ 411, "POST /v1/stop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
		{ 400, "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}" },
		{ 400, "hello\r\n\r\n" },
		{ 400, "\x16\x03\x01\x02" },
		{ 505, "GET /v1/status HTTP/2.0\r\nHost: x\r\n\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const unsigned status = ask(all[i].text);
		if (status != all[i].status)
			fail_msg("%u instead of %u for: %s", status, all[i].status, all[i].text);
		json_t *root = json_loads(answer, 0, NULL);
		assert_true(json_is_string(json_object_get(root, "error")));
		json_decref(root);
	}
	assert_int_equal(master.stops, 0);
}

static void long_heads_are_refused(void **state)
{
	static char line[100000];

	(void)state;
	memset(line, 'A', sizeof(line));
	assert_in_range(ask_raw(line, sizeof(line)), 400, 431);
	memset(line, 0, sizeof(line));
	assert_int_equal(ask_raw(line, sizeof(line)), 400);
}

static void method_refused_names_the_right_one(void **state)
{
	const int fd = dial();
	static const char text[] = "PUT /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n";

	(void)state;
	send_text(fd, text, sizeof(text) - 1);
	receive(fd, true);
	assert_non_null(strstr(answer, "\r\nAllow: POST\r\n"));
	close(fd);
}

static void bytes_may_come_one_by_one(void **state)
{
	static const char text[] = "POST /v1/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n{\"now\": true}";
	const int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(master.stops, 0);
		send_text(fd, text + i, 1);
		turn();
		if (i == 0)
			turn(); /* the first turn accepted */
	}
	receive(fd, false);
	assert_non_null(strstr(answer, "\"stopping\""));
	assert_int_equal(master.stops, 1);
	assert_true(master.stop_now);
	close(fd);
}

static unsigned stop_with(const char *body)
{
	char text[512];
	unsigned status = 0;
	const int fd = dial();

	const int n = snprintf(text, sizeof(text), "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
	                       strlen(body), body);
	send_text(fd, text, (size_t)n);
	receive(fd, false);
	assert_int_equal(sscanf(answer, "HTTP/1.1 %u ", &status), 1);
	close(fd);
	return status;
}

static void stop_reads_its_body_strictly(void **state)
{
	static const char *const wrong[] = { "x", "[]", "{\"now\":1}", "{\"now\":true,\"x\":1}", "{\"now\":true} x",
		                             "{\"now\":true,\"now\":false}", " " };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(stop_with(wrong[i]), 400);
	assert_int_equal(master.stops, 0);
	assert_int_equal(stop_with(""), 200);
	assert_false(master.stop_now);
	assert_int_equal(stop_with("{}"), 200);
	assert_false(master.stop_now);
	assert_int_equal(stop_with("{\"now\":true}"), 200);
	assert_true(master.stop_now);
	assert_int_equal(stop_with("{\"now\":false}"), 200);
	assert_false(master.stop_now);
	assert_int_equal(master.stops, 4);
}

static void drain_that_nobody_waits_for_says_when_it_is_none(void **state)
{
	static const char text[] = "POST /v1/drain HTTP/1.1\r\nHost: x\r\n\r\n";

	(void)state;
	assert_int_equal(ask(text), 200);
	assert_string_equal(answer, "{\"result\":\"draining\"}\n");
	master.no_drain = "the daemon is starting";
	assert_int_equal(ask(text), 409);
	assert_string_equal(answer, "{\"error\":\"the daemon is starting\"}\n");
	assert_null(master.waiter);
}

/* What regctl stop rests on: the connection ends with the daemon, and does not hold its end up. */
static void stop_keeps_its_connection(void **state)
{
	static const char text[] = "POST /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n";
	const int fd = dial();
	char byte;

	(void)state;
	send_text(fd, text, sizeof(text) - 1);
	receive(fd, false);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(control_busy(control));
	control_close(control);
	control = NULL;
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	assert_int_equal(access(path, F_OK), -1);
	close(fd);
}

static void daemon_waits_for_who_has_not_hung_up(void **state)
{
	static const char text[] = "GET /v1/version HTTP/1.0\r\n\r\n";
	const uint64_t begun = clock_now_ms();
	const int fd = dial();

	(void)state;
	assert_false(control_busy(control));
	send_text(fd, text, sizeof(text) - 1);
	receive(fd, true);
	assert_non_null(strstr(answer, "\"version\""));
	assert_true(control_busy(control));
	while (control_busy(control)) /* but not for ever */
		turn();
	assert_in_range(clock_now_ms() - begun, 900, PATIENCE_MS);
	close(fd);
}

static void oldest_without_a_request_goes(void **state)
{
	int held[CONTROL_CLIENTS], patient = dial();
	static const char stop[] = "POST /v1/stop HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char rest[] = "tus HTTP/1.1\r\nHost: x\r\n\r\n";
	char byte;

	(void)state;
	send_text(patient, stop, sizeof(stop) - 1);
	receive(patient, false);
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = dial();
		send_text(held[i], "GET /v1/sta", 11);
	}
	json_t *root = document("/v1/version"); /* two more than there is room for */
	json_decref(root);
	assert_int_equal(recv(held[0], &byte, 1, 0), 0);
	assert_int_equal(recv(held[1], &byte, 1, 0), 0);
	assert_int_equal(recv(held[2], &byte, 1, 0), -1);
	assert_int_equal(recv(patient, &byte, 1, 0), -1);
	send_text(held[2], rest, sizeof(rest) - 1);
	receive(held[2], true);
	assert_non_null(strstr(answer, "200 OK"));
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		close(held[i]);
	close(patient);
}

static void one_that_never_reads_stands_in_nobodys_way(void **state)
{
	static const char text[] = "GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n";
	const int lazy = dial();

	(void)state;
	master.series = 20000; /* far more than the socket's buffer takes */
	send_text(lazy, text, sizeof(text) - 1);
	while (!control_busy(control))
		turn();
	json_decref(document("/v1/version"));
	assert_true(control_busy(control));
	receive(lazy, true);
	json_t *root = json_loads(strstr(answer, "\r\n\r\n"), 0, NULL);
	assert_int_equal(json_object_size(root), 20000);
	json_decref(root);
	close(lazy);
}

static void answer_too_large_is_500(void **state)
{
	(void)state;
	master.series = 150000;
	assert_int_equal(ask("GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n"), 500);
	assert_int_equal(ask("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
}

static void child_touches_no_path(void **state)
{
	const int fd = dial();

	(void)state;
	turn();
	const pid_t pid = fork();
	if (pid == 0) {
		control_forget(control);
		_exit(0);
	}
	int how = -1;
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_int_equal(how, 0);
	assert_int_equal(access(path, F_OK), 0);
	json_decref(document("/v1/version"));
	close(fd);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

/* Of its request the master reads method and path, whatever comes with them and in whatever pieces. */
static void a_client_of_the_doctor_is_passed_on_unread(void **state)
{
	static const char rest[] = " HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecret";
	static const char *const begins[] = { MSG_DOCTOR_READ, "\r\n" MSG_DOCTOR_READ };
	char seen[sizeof(rest)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		for (size_t cut = 0; cut <= strlen(begins[i]); cut++) {
			const int fd = dial();
			char text[128];
			const int n = snprintf(text, sizeof(text), "%s%s", begins[i], rest);
			master.doctor_fd = 0;
			send_text(fd, text, cut);
			for (int turns = 0; turns < 3; turns++)
				assert_true(sd_event_run(event, 0) >= 0);
			if (cut < strlen(begins[i]))
				assert_int_equal(master.doctor_fd, 0);
			send_text(fd, text + cut, (size_t)n - cut);
			while (!master.doctor_fd)
				turn();
			assert_int_equal(recv(master.doctor_fd, seen, sizeof(seen), 0), sizeof(rest) - 1);
			assert_memory_equal(seen, rest, sizeof(rest) - 1);
			assert_int_equal(send(master.doctor_fd, "!", 1, 0), 1);
			assert_int_equal(recv(fd, seen, 1, 0), 1);
			(void)close(master.doctor_fd);
			assert_int_equal(recv(fd, seen, 1, 0), 0); /* nobody else holds it */
			(void)close(fd);
		}
}

static void without_a_keeper_the_doctor_is_refused(void **state)
{
	(void)state;
	master.doctor_fd = -1;
	assert_int_equal(ask(MSG_DOCTOR_READ " HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecret"), 409);
	assert_non_null(strstr(answer, "keeper"));
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, open_server, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(status_has_all_keys),
		WITH_SERVER(failure_of_an_upstream_is_explained),
		WITH_SERVER(workers_have_six_keys),
		WITH_SERVER(stats_are_flat),
		WITH_SERVER(wrong_requests_are_refused),
		WITH_SERVER(long_heads_are_refused),
		WITH_SERVER(method_refused_names_the_right_one),
		WITH_SERVER(bytes_may_come_one_by_one),
		WITH_SERVER(stop_reads_its_body_strictly),
		WITH_SERVER(drain_that_nobody_waits_for_says_when_it_is_none),
		WITH_SERVER(stop_keeps_its_connection),
		WITH_SERVER(daemon_waits_for_who_has_not_hung_up),
		WITH_SERVER(oldest_without_a_request_goes),
		WITH_SERVER(one_that_never_reads_stands_in_nobodys_way),
		WITH_SERVER(answer_too_large_is_500),
		WITH_SERVER(a_client_of_the_doctor_is_passed_on_unread),
		WITH_SERVER(without_a_keeper_the_doctor_is_refused),
		WITH_SERVER(child_touches_no_path),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
