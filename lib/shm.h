/* The one shared mapping, made by the master before the first fork and inherited by all.  Lives as long as the
 * daemon; nothing in it is a pointer, and nothing of it is in a core dump.  Writers: each stats slot its owner, names and
 * tokens the keeper of that generation, log_level and control the master. */
#ifndef SHM_H
#define SHM_H

#include <netinet/in.h>

#include "err.h"
#include "pulls.h"
#include "stats.h"
#include "tokens.h"

#define SHM_SLOTS       256 /* 0 is the master's */
#define SHM_GENERATIONS 16  /* generations alive at once; table index = heritage.gen_index */
#define SHM_NAMES       128 /* names a configuration may dial */
#define SHM_ADDRESSES   8   /* of one name */
#define SHM_TOKENS      32  /* proxies of a configuration */

enum names_state {
	NAMES_PENDING, /* never asked so far */
	NAMES_GOOD,    /* addresses are the last good answer (it stays when a later lookup fails) */
	NAMES_FAILED   /* no good answer yet; error says why */
};

struct names_address {
	uint8_t family; /* 4 or 6 */
	uint8_t bytes[16];
};

/* One name to dial.  The index is the position in conf_names (conf.h) of that generation. */
struct names_entry {
	_Atomic uint32_t seq; /* seqlock: odd while the keeper writes */
	uint32_t state;       /* enum names_state */
	uint32_t count;       /* addresses valid, <= SHM_ADDRESSES */
	uint64_t changed_ms;
	struct names_address address[SHM_ADDRESSES];
	char error[64];       /* of the last lookup; "" = it was good */
};

struct shm {
	_Atomic int log_level;              /* enum log_level */
	_Atomic uint32_t serving_generation; /* 0 = none; written by the master */
	_Atomic uint32_t draining;           /* 1 = not ready any more */
	_Atomic uint64_t workers_wanted;     /* of the serving generation */
	_Atomic uint64_t workers_ready;
	_Atomic uint64_t worker_exits[3];    /* by enum worker_exit; written by the master */
	_Atomic uint64_t started_wall_ms;
	_Atomic uint64_t reloads_ok, reloads_failed;
	_Atomic uint64_t reload_failing;   /* 1 = the last one was refused */
	_Atomic uint64_t reloaded_wall_ms; /* of the last good one; 0 = none since the start */
	_Atomic uint64_t certificate_until_s; /* of the listeners, since 1970; 0 = none; written by the master */
	_Atomic uint32_t slots_used;         /* slots below it have had an owner (0 = not known); written by the master */
	struct stats_slot slot[SHM_SLOTS];
	struct pulls_table pulls[SHM_SLOTS];
	struct names_entry names[SHM_GENERATIONS][SHM_NAMES];
	struct token_entry token[SHM_GENERATIONS][SHM_TOKENS]; /* by position in conf->proxy */
};

enum worker_exit { WORKER_EXIT_CLEAN, WORKER_EXIT_CRASH, WORKER_EXIT_KILLED };

/* Maps a zeroed struct shm, shared and anonymous.  NULL with reterr. */
struct shm *shm_open_anonymous(struct err *reterr);
void shm_close(struct shm *s);

/* The master's side: empties the table of a generation (all PENDING), before its first child is forked: what an
 * earlier generation left there belongs to other names. */
void names_reset(struct shm *s, unsigned gen_index);
/* The keeper's side: replaces the entry.  One writer. */
void names_publish(struct names_entry *e, enum names_state state, const struct names_address *address,
                   unsigned count, const char *error, uint64_t now_ms);
/* The socket address of one, with that port.  False: a family nobody knows; shared memory is another process' word. */
MUST_CHECK bool names_sockaddr(const struct names_address *a, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len);
/* A reader's side: a consistent copy with count clamped and error terminated.  0; -EAGAIN: the writer died in
 * the middle or is busy (bounded retries): treat as NAMES_PENDING. */
MUST_CHECK int names_read(const struct names_entry *e, struct names_entry *ret);

#endif
