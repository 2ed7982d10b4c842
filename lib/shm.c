/* The one shared mapping and its seqlocks.  Master, worker, keeper. */
#include "shm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct shm *shm_open_anonymous(struct err *reterr)
{
	/* Large and mostly never touched: no memory is set aside for it. */
	void *p = mmap(NULL, sizeof(struct shm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		(void)err_sys(reterr, -errno, "cannot map %zu bytes of shared memory", sizeof(struct shm));
		return NULL;
	}
	(void)madvise(p, sizeof(struct shm), MADV_DONTDUMP);
	return p;
}

void shm_close(struct shm *s)
{
	if (s)
		(void)munmap(s, sizeof(*s));
}

void names_publish(struct names_entry *e, enum names_state state, const struct names_address *address,
                   unsigned count, const char *error, uint64_t now_ms)
{
	/* A keeper that was killed in the middle left an odd number; starting from the next odd one repairs it. */
	uint32_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed) | 1u;

	atomic_store_explicit(&e->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->state = state;
	e->count = count < SHM_ADDRESSES ? count : SHM_ADDRESSES;
	e->changed_ms = now_ms;
	if (e->count)
		memcpy(e->address, address, e->count * sizeof(*address));
	(void)snprintf(e->error, sizeof(e->error), "%s", error);
	atomic_store_explicit(&e->seq, seq + 1, memory_order_release);
}

void names_reset(struct shm *s, unsigned gen_index)
{
	for (size_t i = 0; i < SHM_NAMES; i++) {
		struct names_entry *e = &s->names[gen_index][i];
		if (atomic_load_explicit(&e->seq, memory_order_relaxed) != 0)
			names_publish(e, NAMES_PENDING, NULL, 0, "", 0);
	}
}

int names_read(const struct names_entry *e, struct names_entry *ret)
{
	for (int tries = 0; tries < 100; tries++) {
		uint32_t before = atomic_load_explicit(&e->seq, memory_order_acquire);
		if (before & 1)
			continue;
		memcpy(ret, e, sizeof(*ret));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&e->seq, memory_order_relaxed) != before)
			continue;
		if (ret->count > SHM_ADDRESSES)
			ret->count = SHM_ADDRESSES;
		ret->error[sizeof(ret->error) - 1] = '\0';
		return 0;
	}
	return -EAGAIN;
}

bool names_sockaddr(const struct names_address *a, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->bytes, sizeof(in->sin_addr));
		*ret_len = sizeof(*in);
		return true;
	}
	if (a->family == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, a->bytes, sizeof(in6->sin6_addr));
		*ret_len = sizeof(*in6);
		return true;
	}
	return false;
}
