/* What each event means to a slot in each state: the supervisor as a table.  Master. */
#include "slot.h"

#include <assert.h>
#include <signal.h>

#include "log.h"

static const char *const state_names[SLOT_STATES] = {
#define S(state, text) [SLOT_##state] = text,
#include "slot_states.def"
#undef S
};

static const char *const event_names[SLOT_EVENTS] = {
	[SLOT_SPAWN] = "spawn", [SLOT_READY] = "ready", [SLOT_REFUSED] = "refused", [SLOT_STUCK] = "stuck",
	[SLOT_DRAIN] = "drain", [SLOT_KILL] = "kill",   [SLOT_TIMEOUT] = "timeout", [SLOT_EXIT] = "exit",
};

const char *slot_state_name(enum slot_state s)
{
	return state_names[s];
}

const char *slot_event_name(enum slot_event ev)
{
	return event_names[ev];
}

/* The one writer of state.  limit_ms: when SLOT_TIMEOUT comes. */
static void enter(struct slot *s, enum slot_state to, uint64_t limit_ms)
{
	enum slot_state was = s->state;

	s->state = to;
	s->since_ms = s->verbs->now_ms(s);
	s->verbs->arm(s, limit_ms);
	s->verbs->changed(s, was);
}

static uint64_t backoff_ms(unsigned failures)
{
	uint64_t ms = SLOT_BACKOFF_MIN_MS;

	while (failures-- > 1 && ms < SLOT_BACKOFF_MAX_MS)
		ms *= 2;
	return ms < SLOT_BACKOFF_MAX_MS ? ms : SLOT_BACKOFF_MAX_MS;
}

static void be_born(struct slot *s)
{
	s->refused.code = 0;
	if (s->verbs->fork(s) == 0) {
		enter(s, SLOT_STARTING, s->start_limit_ms);
		return;
	}
	s->failures++;
	enter(s, SLOT_WAITING, backoff_ms(s->failures));
}

static void clear(struct slot *s)
{
	enter(s, SLOT_EMPTY, UINT64_MAX);
}

static void serve(struct slot *s)
{
	s->failures = 0;
	enter(s, SLOT_SERVING, UINT64_MAX);
}

static void kill_now(struct slot *s)
{
	s->verbs->kill(s, SIGKILL);
	enter(s, SLOT_KILLED, UINT64_MAX);
}

static void leave_now(struct slot *s)
{
	s->leaving = true;
	kill_now(s);
}

static void forget(struct slot *s)
{
	s->leaving = true;
	clear(s);
}

/* ABRT first: a core or a trace tells where it hung. */
static void abort_it(struct slot *s)
{
	s->verbs->kill(s, SIGABRT);
	enter(s, SLOT_ABORTED, SLOT_GRACE_MS);
}

static void drain(struct slot *s)
{
	uint64_t now = s->verbs->now_ms(s), left = s->drain_ms > now ? s->drain_ms - now : 0;

	s->leaving = true;
	s->verbs->drain(s);
	enter(s, SLOT_DRAINING, left + SLOT_GRACE_MS);
}

static void leave_when_reaped(struct slot *s)
{
	s->leaving = true;
}

static void start_failed(struct slot *s)
{
	if (s->leaving) {
		clear(s);
		return;
	}
	s->failures++;
	enter(s, SLOT_WAITING, backoff_ms(s->failures));
}

/* It had served: the successor comes at once, unless that was so short that it may be a loop. */
static void crashed(struct slot *s)
{
	uint64_t served_ms = s->verbs->now_ms(s) - s->since_ms;

	if (s->leaving)
		clear(s);
	else if (served_ms >= SLOT_QUICK_MS || s->state != SLOT_SERVING)
		be_born(s);
	else
		enter(s, SLOT_WAITING, SLOT_BACKOFF_MIN_MS);
}

typedef void slot_action(struct slot *s);

static slot_action *const table[SLOT_STATES][SLOT_EVENTS] = {
	[SLOT_EMPTY]    = { [SLOT_SPAWN] = be_born },
	[SLOT_STARTING] = { [SLOT_READY] = serve, [SLOT_DRAIN] = leave_now, [SLOT_KILL] = leave_now,
	                    [SLOT_TIMEOUT] = kill_now, [SLOT_EXIT] = start_failed },
	[SLOT_SERVING]  = { [SLOT_STUCK] = abort_it, [SLOT_DRAIN] = drain, [SLOT_KILL] = leave_now,
	                    [SLOT_EXIT] = crashed },
	[SLOT_WAITING]  = { [SLOT_DRAIN] = forget, [SLOT_KILL] = forget, [SLOT_TIMEOUT] = be_born },
	[SLOT_DRAINING] = { [SLOT_STUCK] = abort_it, [SLOT_KILL] = leave_now, [SLOT_TIMEOUT] = kill_now,
	                    [SLOT_EXIT] = clear },
	[SLOT_ABORTED]  = { [SLOT_DRAIN] = leave_when_reaped, [SLOT_KILL] = leave_now, [SLOT_TIMEOUT] = kill_now,
	                    [SLOT_EXIT] = crashed },
	[SLOT_KILLED]   = { [SLOT_DRAIN] = leave_when_reaped, [SLOT_KILL] = leave_when_reaped,
	                    [SLOT_EXIT] = start_failed },
};

void slot_feed(struct slot *s, enum slot_event ev)
{
	assert(s->state < SLOT_STATES && ev < SLOT_EVENTS);
	slot_action *act = table[s->state][ev];
	log_debug("%s %u: %s while %s%s", s->keeper ? "keeper" : "worker", s->number, event_names[ev],
	          state_names[s->state], act ? "" : ", ignored");
	if (act)
		act(s);
}
