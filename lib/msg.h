/* Messages between master and children over a SOCK_SEQPACKET pair: one datagram, one message, fixed size, no
 * pointers.  The table msg.def says who may send what; everything else is refused. */
#ifndef MSG_H
#define MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"

#define MSG_ABI        1
#define MSG_REASON_MAX 256

enum msg_side { MSG_FROM_MASTER, MSG_FROM_CHILD };

enum msg_type {
#define M(nr, name, who, type) MSG_##name = nr,
#include "msg.def"
#undef M
	MSG_TYPES
};

struct msg_head {
	uint16_t abi;
	uint16_t type; /* enum msg_type */
	uint32_t generation;
};

/* The child has loaded everything and would serve; it accepts at once (worker) or after SERVE (keeper). */
struct msg_ready {
	uint32_t unused;
};
/* The child cannot serve: the generation is refused. */
struct msg_refused {
	int32_t code; /* -errno */
	char reason[MSG_REASON_MAX]; /* terminated by the reader, and of one line, whatever came */
};
/* Stop accepting, finish what runs, then send DRAINED and exit 0.  Cut what is left after deadline_ms; a keeper has a limit of
 * its own. */
struct msg_drain {
	uint64_t deadline_ms; /* CLOCK_MONOTONIC; 0 = at once */
};
struct msg_drained {
	uint32_t cut; /* connections that did not finish in time */
};
/* Worker: put the listeners into epoll anew; a wake-up may have died with a neighbour. */
struct msg_kick {
	uint32_t unused;
};
/* Keeper: its generation serves: open admin and probes. */
struct msg_serve {
	uint32_t unused;
};
/* Keeper: its generation is being replaced: close admin and probes for good, say CLOSED, keep names and tokens. */
struct msg_retire {
	uint32_t unused;
};

/* Worker after DRAIN, keeper after RETIRE: it accepts nobody any more; who connects from now on meets another process. */
struct msg_closed {
	uint32_t unused;
};

/* Keeper: a client of the control socket wants the doctor.  Its connection comes with the message (msg_send_fd), and of its
 * request nothing has been read but MSG_DOCTOR_READ: what follows may hold credentials, which are not for the master. */
#define MSG_DOCTOR_READ "POST /v1/doctor"
struct msg_doctor {
	uint32_t unused;
};

union msg_payload {
	struct msg_ready ready;
	struct msg_refused refused;
	struct msg_drain drain;
	struct msg_drained drained;
	struct msg_kick kick;
	struct msg_serve serve;
	struct msg_retire retire;
	struct msg_closed closed;
	struct msg_doctor doctor;
};

struct msg {
	struct msg_head head;
	union msg_payload u;
};

/* A connected pair, CLOEXEC and NONBLOCK.  0 or -errno (then both are -1). */
MUST_CHECK int msg_pair(int *ret_master_fd, int *ret_child_fd);

/* Sends one message of m->head.type; abi is filled in.  0; -EAGAIN: the peer's queue is full; -EPIPE: it is
 * gone; -errno. */
MUST_CHECK int msg_send(int fd, struct msg *m);
/* The same, and a copy of the descriptor passed (SCM_RIGHTS, unix(7)), which stays the caller's, goes along. */
MUST_CHECK int msg_send_fd(int fd, struct msg *m, int passed);

/* Takes one message.  1 = *ret is valid; 0 = the peer is gone; -EAGAIN = none waits; -EBADMSG = not a message
 * that `from` may send (ignore it, go on); -ESTALE = of another generation than `generation` (0 = any). */
MUST_CHECK int msg_receive(int fd, enum msg_side from, uint32_t generation, struct msg *ret);
/* The same for who takes descriptors: *ret_passed is the one that came (CLOEXEC, the caller's) or -1; written in any case. */
MUST_CHECK int msg_receive_fd(int fd, enum msg_side from, uint32_t generation, struct msg *ret, int *ret_passed);

const char *msg_name(unsigned type);

#endif
