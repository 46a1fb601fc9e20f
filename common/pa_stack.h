/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Lists of pools that many push to and one takes whole: inboxes, shared lists.
 *
 * Which operation may run beside which, on the same list:
 *
 *			| push | take | put_back
 *	----------------+------+------+---------
 *	pa_stack_push	| yes  | yes  | yes
 *	pa_stack_take	| yes  | yes  | yes
 *	pa_stack_put_back | yes | yes | yes
 *
 * There is no pop of a single entry, hence no ABA: a push compares the head
 * only to link it behind its own entry, and whatever the head was meanwhile,
 * an equal head is the right one to link; put_back compares with NULL. NOT
 * safe: pushing an entry that is on a list already.
 */
#ifndef PA_STACK_H
#define PA_STACK_H

#include "pa_config.h"

struct pa_qnode {
	struct pa_qnode *next;
};

struct pa_stack {
	struct pa_qnode *head;
};

/* True if there was nothing on the list; may be wrong by the time it returns. */
static inline bool pa_stack_empty(const struct pa_stack *s)
{
	return !READ_ONCE(s->head);
}

/* Full barrier: what was written before is seen by who takes the entry. */
static inline void pa_stack_push(struct pa_stack *s, struct pa_qnode *q)
{
	struct pa_qnode *head = READ_ONCE(s->head);

	do {
		q->next = head;
	} while (!try_cmpxchg(&s->head, &head, q));
}

/* Takes the whole list, newest first; NULL if it was empty. */
static inline struct pa_qnode *pa_stack_take(struct pa_stack *s)
{
	if (pa_stack_empty(s))
		return NULL;
	return xchg(&s->head, NULL);
}

/* Puts a list back whole if nobody has pushed meanwhile. Return: false if so. */
static inline bool pa_stack_put_back(struct pa_stack *s, struct pa_qnode *list)
{
	struct pa_qnode *none = NULL;

	return try_cmpxchg(&s->head, &none, list);
}

#endif
