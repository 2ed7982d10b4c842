/* The main function of a worker process: puts loop, acceptor, sessions and upstreams together, and takes them
 * apart when the master says so or is gone. */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "acceptor.h"
#include "budget.h"
#include "clock.h"
#include "exitcode.h"
#include "log.h"
#include "pipe.h"
#include "sandbox.h"
#include "service.h"
#include "session.h"
#include "worker_channel.h"
#include "worker_confine.h"

#define BEAT_MS        500
#define BEATS_A_REPORT 2

struct worker {
	const struct heritage *h;
	struct loop loop;
	struct acceptor acceptor;
	struct service service;
	struct worker_channel channel;
	struct watch wake, signals;
	int signal_fd;
	struct timer beat, deadline;
	unsigned beats;
	bool ending; /* no new clients; leaves when the last one has */
	enum exitcode status;
};

static struct worker *worker_of_channel(struct worker_channel *c)
{
	return container_of(c, struct worker, channel);
}

/* --- the end ------------------------------------------------------------------------------------- */

static void leave_when_done(struct worker *w)
{
	if (w->ending && w->service.count == 0)
		loop_stop(&w->loop);
}

static void on_cut(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, deadline);

	service_cut(&w->service);
	leave_when_done(w);
}

/* Serves what is there, and takes nobody new.  Called again it can only shorten the time. */
static void finish(struct worker *w, uint64_t deadline_ms)
{
	if (!w->ending) {
		w->ending = true;
		acceptor_close(&w->acceptor);
		service_drain(&w->service);
		upstream_drain(w->service.upstream);
		log_debug("draining %u sessions", w->service.count);
	}
	if (w->deadline.loop == NULL || deadline_ms < w->deadline.at_ms)
		loop_timer_at(&w->loop, &w->deadline, deadline_ms, on_cut);
	leave_when_done(w);
}

static void finish_without_master(struct worker *w, const char *why)
{
	if (!w->ending)
		log_notice("%s; finishing what runs", why);
	finish(w, loop_now(&w->loop) + w->h->conf->master.drain_timeout);
}

static void on_drain(struct worker_channel *c, uint64_t deadline_ms)
{
	struct worker *w = worker_of_channel(c);
	bool first = !w->ending;

	finish(w, deadline_ms);
	if (first && worker_channel_closed(c) < 0)
		log_debug("the master does not hear that this worker accepts no more");
}

static void on_lost(struct worker_channel *c)
{
	finish_without_master(worker_of_channel(c), "the master is gone");
}

static void on_kick(struct worker_channel *c)
{
	acceptor_kick(&worker_of_channel(c)->acceptor);
}

static const struct worker_channel_calls channel_calls = { on_kick, on_drain, on_lost };

/* --- clients ------------------------------------------------------------------------------------- */

static int on_accepted(struct acceptor *a, int fd, const struct sockaddr *peer, socklen_t len);

static void on_session_end(struct service *sv)
{
	struct worker *w = container_of(sv, struct worker, service);

	acceptor_clients(&w->acceptor, sv->count);
	leave_when_done(w);
}

static void on_listener_broken(struct acceptor *a, int error)
{
	struct worker *w = container_of(a, struct worker, acceptor);

	log_error("a listener cannot be used any more: %s; this worker ends", strerror(error));
	w->status = EXITCODE_SOFTWARE;
	loop_stop(&w->loop);
}

/* --- signals, wake-ups, the heartbeat ------------------------------------------------------------ */

static void on_signal(struct watch *watch, uint32_t events)
{
	struct worker *w = container_of(watch, struct worker, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGTERM)
			finish_without_master(w, "told to terminate");
}

static void on_wake(struct watch *watch, uint32_t events)
{
	struct worker *w = container_of(watch, struct worker, wake);
	uint64_t count;

	(void)events;
	if (read(watch->fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		upstream_news(w->service.upstream);
}

static void tell_denied(void)
{
	const char *denied = sandbox_told();

	if (denied)
		log_warning("the sandbox denied a worker %s()", denied);
}

static void on_beat(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, beat);

	tell_denied();
	stats_set(&w->h->stats->beat_ms, clock_now_ms());
	if (service_tidy(&w->service))
		log_debug("a burst is over: its memory goes back to the system");
	if (w->beats++ % BEATS_A_REPORT == 0)
		stats_report_process(w->h->stats);
	loop_timer_in(&w->loop, &w->beat, BEAT_MS, on_beat);
}

/* INT and HUP are the master's business, a broken pipe is an errno; TERM comes when the master has died. */
static int signals_open(struct worker *w)
{
	sigset_t mask;

	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGHUP, SIG_IGN) == SIG_ERR
	    || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	w->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->signal_fd < 0 ? -errno : loop_add(&w->loop, &w->signals, w->signal_fd, EPOLLIN, on_signal);
}

/* --- birth --------------------------------------------------------------------------------------- */

static int on_accepted(struct acceptor *a, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct worker *w = container_of(a, struct worker, acceptor);

	if (service_is_crowded(&w->service, peer, len)) {
		close_p(&fd);
		return 0;
	}
	int r = session_open(&w->service, fd, peer, len);
	if (r == 0)
		acceptor_clients(a, w->service.count);
	return r;
}

static int open_events(struct worker *w, struct err *reterr)
{
	const struct heritage *h = w->h;
	int r = worker_channel_open(&w->channel, &w->loop, h->channel_fd, h->generation, &channel_calls);

	if (r == 0 && h->wake_fd >= 0)
		r = loop_add(&w->loop, &w->wake, h->wake_fd, EPOLLIN, on_wake);
	if (r == 0)
		r = signals_open(w);
	return r < 0 ? err_sys(reterr, r, "cannot set up the worker's events") : 0;
}

/* Told once a generation. */
static struct budget what_is_possible(const struct heritage *h)
{
	const struct budget wanted = { .clients = h->conf->listen.max_connections, .pipes = PIPES_MAX };
	const struct budget can = budget_make(wanted, h->wakes);

	if (can.clients < wanted.clients && h->number == 0)
		log_warning("[listen] max_connections: %u clients need %u descriptors, more than the limit (LimitNOFILE=, "
		            "ulimit -n): serving %u a worker", wanted.clients,
		            wanted.clients * BUDGET_A_CLIENT + wanted.pipes * BUDGET_A_PIPE + BUDGET_OTHERS, can.clients);
	return can;
}

static int open_service(struct worker *w, struct err *reterr)
{
	const struct heritage *h = w->h;
	const struct conf *c = h->conf;
	struct upstream *u = upstream_new(&w->loop, h, reterr);

	if (!u)
		return -ENOMEM;
	const struct budget can = what_is_possible(h);
	upstream_limit_pipes(u, can.pipes);
	service_init(&w->service, &w->loop, c, h->stats, &h->shm->pulls[h->slot], u, on_session_end);
	const struct acceptor_options o = {
		.limit = can.clients,
		.workers = c->master.workers,
		.send_timeout = c->listen.send_timeout,
		.take = on_accepted,
		.broken = on_listener_broken,
	};
	return acceptor_open(&w->acceptor, &w->loop, h, &o, reterr);
}

static int start(struct worker *w, struct err *reterr)
{
	int r = loop_init(&w->loop);

	if (r < 0)
		return err_sys(reterr, r, "cannot make an event loop");
	r = open_events(w, reterr);
	if (r == 0)
		r = open_service(w, reterr);
	if (r < 0)
		return r;
	/* The end of the channel tells when the master dies; this is the second line. */
	if (w->h->master_pid > 0 && (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != w->h->master_pid))
		return err_set(reterr, -ESRCH, "the master is gone already");
	on_beat(&w->beat); /* its report opens what is read of this process: before the sandbox */
	return worker_confine(w->h, reterr);
}

/* Memory of what ended goes with the end of a turn. */
static void run_deferred(struct worker *w)
{
	int r = loop_turn(&w->loop, 0);

	if (r < 0)
		log_debug("the last turn of the event loop: %s", strerror(-r));
}

static void close_wakes(const struct heritage *h)
{
	int own = h->wake_fd;

	close_p(&own);
	for (unsigned i = 0; i < h->wakes; i++) {
		int other = h->wake_others[i];
		close_p(&other);
	}
}

static void stop(struct worker *w)
{
	loop_del(&w->wake);
	loop_del(&w->signals);
	loop_del(&w->channel.watch);
	loop_timer_stop(&w->beat);
	loop_timer_stop(&w->deadline);
	acceptor_abandon(&w->acceptor); /* whoever is accepted now is cut a moment later */
	if (w->service.upstream) {
		service_cut(&w->service);
		run_deferred(w);
		service_done(&w->service);
		upstream_free(w->service.upstream);
		run_deferred(w);
	}
	worker_channel_close(&w->channel);
	fd_close(&w->signal_fd);
	close_wakes(w->h);
	loop_done(&w->loop);
}

static enum exitcode refuse(struct worker *w, const struct err *why)
{
	log_error("cannot start: %s", why->text);
	if (worker_channel_refused(&w->channel, why) < 0)
		log_debug("the master does not hear that");
	return EXITCODE_RESOURCE;
}

static enum exitcode run(struct worker *w)
{
	struct err why = { .code = 0 };
	int r = start(w, &why);

	if (r < 0)
		return refuse(w, &why);
	r = worker_channel_ready(&w->channel);
	if (r < 0)
		return refuse(w, (err_sys(&why, r, "cannot say ready"), &why));
	r = loop_run(&w->loop);
	if (r < 0) {
		log_error("the event loop fails: %s; this worker ends", strerror(-r));
		return EXITCODE_SOFTWARE;
	}
	service_cut(&w->service);
	if (w->ending && worker_channel_drained(&w->channel, w->service.cut) < 0)
		log_debug("nobody is there to hear that this worker is drained");
	return w->status;
}

int worker_main(const struct heritage *h)
{
	static struct worker w; /* large, and one a process */

	w = (struct worker){ .h = h, .signal_fd = -1, .status = EXITCODE_OK };
	w.channel.fd = h->channel_fd;
	w.channel.generation = h->generation;
	w.loop.epoll_fd = -1;
	enum exitcode status = run(&w);
	stop(&w);
	tell_denied();
	return (int)status;
}
