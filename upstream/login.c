/* The relay's own credentials for one registry.  Worker and keeper. */
#include "login.h"

#include <assert.h>
#include <errno.h>

#include "upstream_impl.h"

struct login *login_new(struct upstream *u, const struct conf_registry *r, struct err *reterr)
{
	struct login *l = calloc(1, sizeof(*l));

	if (!l) {
		(void)err_sys(reterr, -ENOMEM, "cannot set up the credentials of registry %s", r->name);
		return NULL;
	}
	l->upstream = u;
	l->registry = r;
	list_init(&l->grants);
	return l;
}

static void drop(struct grant *g)
{
	assert(g->users == 0);
	g->login->count--;
	list_del(&g->node);
	grant_free(g);
}

void login_free(struct login *l)
{
	if (!l)
		return;
	while (!list_empty(&l->grants))
		drop(list_entry(l->grants.next, struct grant, node));
	free(l);
}

/* The ones not used for longest are at the end. */
static void make_room(struct login *l)
{
	struct list *n = l->grants.prev;

	while (l->count >= LOGIN_GRANTS_KEPT && n != &l->grants) {
		struct grant *g = list_entry(n, struct grant, node);
		n = n->prev;
		if (g->users == 0 && !g->asking)
			drop(g);
	}
}

static struct grant *find(const struct login *l, struct strview repository)
{
	for (struct list *n = l->grants.next; n != &l->grants; n = n->next) {
		struct grant *g = list_entry(n, struct grant, node);
		if (sv_eq(sv_str(g->repository), repository))
			return g;
	}
	return NULL;
}

struct grant *login_hold(struct login *l, struct strview repository)
{
	struct grant *g = find(l, repository);

	if (g) {
		list_del(&g->node);
	} else {
		make_room(l);
		g = grant_new(l, repository);
		if (!g)
			return NULL;
		l->count++;
	}
	list_prepend(&l->grants, &g->node);
	g->users++;
	return g;
}

void login_release(struct grant *g)
{
	assert(g->users > 0);
	g->users--;
}

void login_rejected(struct login *l, const char *detail)
{
	if (l->worked)
		return;
	l->rejected_until_ms = loop_now(l->upstream->loop) + LOGIN_REJECTED_MS;
	(void)sv_copy(l->rejected, sizeof(l->rejected), sv_str(detail));
}

void login_worked(struct login *l)
{
	l->worked = true;
	l->rejected_until_ms = 0;
}

bool login_is_rejected(const struct login *l)
{
	return l->rejected_until_ms > loop_now(l->upstream->loop);
}
