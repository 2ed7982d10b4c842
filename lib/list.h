/* Intrusive doubly linked ring: the head and every member are a struct list.  A node that is in no list
 * points to itself (list_init), so that list_del may be called twice.  Any process. */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>

#include "cleanup.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_del(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Puts node (in no list) behind the last member. */
static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Puts node (in no list) before the first member. */
static inline void list_prepend(struct list *head, struct list *node)
{
	list_append(head->next, node);
}

#define list_entry(node, type, member) container_of(node, type, member)

/* Body may not remove members; use list_for_each_safe for that (the current member only). */
#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_each_safe(it, head)                                                               \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                  \
	     it = it##_next, it##_next = it->next)

#endif
