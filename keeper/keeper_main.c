/* The keeper process: ties names, probes and the admin endpoint to the master's messages.  Keeper. */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "admin.h"
#include "cp_tokens.h"
#include "doctor.h"
#include "exitcode.h"
#include "keeper_confine.h"
#include "log.h"
#include "msg.h"
#include "names.h"
#include "probe.h"
#include "sandbox.h"

#define BEAT_MS       500
#define REPORT_MS     1000
#define MESSAGE_BATCH 16
#define LEAVE_MS      500 /* clients of the admin port that were accepted get that long to ask, and to take their answer */
#define LEAVE_STEP_MS 10

struct keeper {
	const struct heritage *h;
	struct loop loop;
	struct watch channel, wake, signal;
	int signal_fd;
	struct timer beat, report, leave;
	uint64_t leave_by_ms;
	struct names *names;
	struct cp_tokens *tokens;
	struct probes *probes;
	struct doctor *doctor;
	struct admin admin;
	enum exitcode status;
};

/* --- the master ---------------------------------------------------------------------------------------------- */

static int tell(struct keeper *k, struct msg *m)
{
	m->head.generation = k->h->generation;
	int r = msg_send(k->h->channel_fd, m);
	if (r < 0)
		log_warning("cannot send %s to the master: errno %d", msg_name(m->head.type), -r);
	return r;
}

static void leave(struct keeper *k, enum exitcode status)
{
	k->status = status;
	loop_stop(&k->loop);
}

static void serve(struct keeper *k)
{
	struct err e = { 0 };

	if (admin_open(&k->admin, &e) < 0)
		log_error("%s, going on without", e.text);
	probes_start(k->probes);
}

static void retire(struct keeper *k)
{
	struct msg m = { .head.type = MSG_CLOSED };

	admin_leave(&k->admin);
	probes_stop(k->probes);
	(void)tell(k, &m);
}

static void drained(struct keeper *k)
{
	struct msg m = { .head.type = MSG_DRAINED };

	(void)tell(k, &m);
	leave(k, EXITCODE_OK);
}

static void on_leave(struct timer *t)
{
	struct keeper *k = container_of(t, struct keeper, leave);

	if (admin_clients_wait(&k->admin.clients) && loop_now(&k->loop) < k->leave_by_ms)
		loop_timer_in(&k->loop, t, LEAVE_STEP_MS, on_leave);
	else
		drained(k);
}

static void drain(struct keeper *k)
{
	admin_close(&k->admin);
	k->leave_by_ms = loop_now(&k->loop) + LEAVE_MS;
	on_leave(&k->leave);
}

/* passed: the descriptor that came along, or -1; what is not taken the caller closes. */
static void on_message(struct keeper *k, const struct msg *m, int *passed)
{
	log_debug("message %s", msg_name(m->head.type));
	switch (m->head.type) {
	case MSG_SERVE:  serve(k); break;
	case MSG_RETIRE: retire(k); break;
	case MSG_DRAIN:  drain(k); break;
	case MSG_DOCTOR: names_ask(k->names); doctor_take(k->doctor, take_fd(passed)); break;
	default:         break; /* KICK is for workers */
	}
}

static void on_channel(struct watch *w, uint32_t events)
{
	struct keeper *k = container_of(w, struct keeper, channel);
	struct msg m;

	(void)events;
	for (int i = 0; i < MESSAGE_BATCH && !k->loop.stop; i++) {
		CLEANUP(close_p) int passed = -1;
		int r = msg_receive_fd(k->h->channel_fd, MSG_FROM_MASTER, k->h->generation, &m, &passed);
		if (r == -EAGAIN)
			return;
		if (r == 1) {
			on_message(k, &m, &passed);
		} else if (r == -EBADMSG || r == -ESTALE) {
			log_warning("a message from the master is not for us, ignoring it");
		} else {
			log_notice("the master is gone, leaving");
			leave(k, EXITCODE_OK);
		}
	}
}

/* --- other events --------------------------------------------------------------------------------------------- */

static void on_wake(struct watch *w, uint32_t events)
{
	struct keeper *k = container_of(w, struct keeper, wake);
	uint64_t times;

	(void)events;
	if (read(w->fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
		names_ask(k->names);
	cp_tokens_look(k->tokens);
}

static void on_news(void *owner)
{
	struct keeper *k = owner;

	probes_news(k->probes);
	doctor_news(k->doctor);
}

/* TERM comes when the master died, or from somebody who means this process: the master itself drains by message. */
static void on_signal(struct watch *w, uint32_t events)
{
	struct keeper *k = container_of(w, struct keeper, signal);
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		leave(k, EXITCODE_OK);
}

static void on_beat(struct timer *t)
{
	struct keeper *k = container_of(t, struct keeper, beat);

	stats_set(&k->h->stats->beat_ms, loop_now(&k->loop));
	loop_timer_in(&k->loop, t, BEAT_MS, on_beat);
}

static void tell_denied(void)
{
	const char *denied = sandbox_told();

	if (denied)
		log_warning("the sandbox denied the keeper %s()", denied);
}

static void on_report(struct timer *t)
{
	struct keeper *k = container_of(t, struct keeper, report);

	tell_denied();
	stats_report_process(k->h->stats);
	loop_timer_in(&k->loop, t, REPORT_MS, on_report);
}

/* --- start and end -------------------------------------------------------------------------------------------- */

/* INT and HUP reach the whole foreground group; they are the master's to act on. */
static int signals_open(struct keeper *k)
{
	sigset_t term;

	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &term, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -errno;
	k->signal_fd = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return -errno;
	return loop_add(&k->loop, &k->signal, k->signal_fd, EPOLLIN, on_signal);
}

static int keeper_open(struct keeper *k, struct err *reterr)
{
	int r = loop_init(&k->loop);

	if (r == 0)
		r = signals_open(k);
	if (r == 0)
		r = loop_add(&k->loop, &k->channel, k->h->channel_fd, EPOLLIN, on_channel);
	if (r == 0)
		r = loop_add(&k->loop, &k->wake, k->h->wake_fd, EPOLLIN, on_wake);
	if (r < 0)
		return err_sys(reterr, r, "the keeper cannot set up its event loop");
	admin_init(&k->admin, &k->loop, k->h);
	k->names = names_new(&k->loop, k->h, NULL, reterr);
	if (!k->names)
		return reterr->code;
	k->probes = probes_new(&k->loop, k->h, reterr);
	if (!k->probes)
		return reterr->code;
	k->tokens = cp_tokens_new(&k->loop, k->h, NULL, reterr);
	if (!k->tokens)
		return reterr->code;
	k->doctor = doctor_new(&k->loop, k->h, reterr);
	if (!k->doctor)
		return reterr->code;
	names_listen(k->names, on_news, k);
	cp_tokens_listen(k->tokens, on_news, k);
	on_beat(&k->beat);
	on_report(&k->report);
	return keeper_confine(k->h, reterr);
}

static void keeper_close(struct keeper *k)
{
	admin_done(&k->admin);
	probes_stop(k->probes);
	doctor_stop(k->doctor);
	cp_tokens_stop(k->tokens);
	names_free(k->names);
	loop_del(&k->channel);
	loop_del(&k->wake);
	loop_del(&k->signal);
	loop_timer_stop(&k->leave);
	if (loop_turn(&k->loop, 0) < 0) /* frees what waits for the end of a turn */
		log_debug("the last turn of the loop failed");
	probes_free(k->probes);
	doctor_free(k->doctor);
	cp_tokens_free(k->tokens);
	loop_done(&k->loop);
	fd_close(&k->signal_fd);
}

static enum exitcode refuse(struct keeper *k, const struct err *why)
{
	struct msg m = { .head.type = MSG_REFUSED, .u.refused.code = why->code };

	(void)snprintf(m.u.refused.reason, sizeof(m.u.refused.reason), "%.*s", MSG_REASON_MAX - 1, why->text);
	(void)tell(k, &m);
	return EXITCODE_RESOURCE;
}

int keeper_main(const struct heritage *h)
{
	struct keeper k = { .h = h, .loop.epoll_fd = -1, .signal_fd = -1, .status = EXITCODE_OK };
	struct msg ready = { .head.type = MSG_READY };
	struct err e = { 0 };

	log_count_drops(&h->stats->log_dropped);
	if (keeper_open(&k, &e) < 0)
		return refuse(&k, &e);
	/* A master that died before we asked for its death signal has left us to somebody else. */
	if (getppid() == h->master_pid && tell(&k, &ready) == 0 && loop_run(&k.loop) < 0) {
		log_error("the event loop failed, the keeper ends");
		k.status = EXITCODE_SOFTWARE;
	}
	keeper_close(&k);
	tell_denied();
	return k.status;
}
