/* Pipes that bytes are spliced through.  One thread. */
#include "pipe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#define PAUSE_MS 1000 /* after a refusal */

void pipes_init(struct pipes *p, unsigned max)
{
	*p = (struct pipes){ .max = max < PIPES_MAX ? max : PIPES_MAX };
}

static void destroy(struct pipes *p, struct pipe *pipe)
{
	fd_close(&pipe->out);
	fd_close(&pipe->in);
	pipe->held = 0;
	p->open--;
}

void pipes_done(struct pipes *p)
{
	while (p->spares)
		destroy(p, &p->spare[--p->spares]);
	assert(p->open == 0);
}

/* Beyond the user's quota a pipe has two pages and stays so: it would cost more than it saves. */
static int create(struct pipe *ret)
{
	int end[2];

	if (pipe2(end, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (fcntl(end[1], F_SETPIPE_SZ, PIPE_BYTES) < PIPE_BYTES) {
		close_p(&end[0]);
		close_p(&end[1]);
		return -EPERM;
	}
	*ret = (struct pipe){ .out = end[0], .in = end[1] };
	return 0;
}

int pipes_take(struct pipes *p, struct pipe *ret, uint64_t now_ms)
{
	assert(ret->out < 0 && ret->held == 0);
	if (p->spares) {
		*ret = p->spare[--p->spares];
		return 0;
	}
	if (p->off || p->open >= p->max || now_ms < p->again_ms)
		return -EAGAIN;
	if (create(ret) < 0) {
		p->again_ms = now_ms + PAUSE_MS;
		return -EAGAIN;
	}
	p->open++;
	return 0;
}

void pipes_give(struct pipes *p, struct pipe *pipe)
{
	if (pipe->out < 0)
		return;
	if (pipe->held || p->spares == PIPES_SPARE || p->off)
		destroy(p, pipe);
	else
		p->spare[p->spares++] = *pipe;
	*pipe = PIPE_NONE;
}
