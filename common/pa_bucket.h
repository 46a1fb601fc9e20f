/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The lists of a node: arenas by their number of free pools. Private to
 * pa_arena.c and pa_return.c; the node lock is held.
 */
#ifndef PA_BUCKET_H
#define PA_BUCKET_H

#include "pa_node.h"

/* Pools are missing, and all others are free. */
static inline bool pa_short_empty(const struct pa_arena *arena)
{
	return PA_POOLS_GO && atomic64_read(&arena->aged) &&
	       arena->nfree == pa_arena_pools(arena);
}

static inline void pa_bucket_add(struct pa_node *node, struct pa_arena *arena)
{
	unsigned int n = arena->nfree;
	struct pa_arena *head = node->bucket[n];

	if (!n)
		return;
	arena->prev = NULL;
	arena->next = head;
	if (head)
		head->prev = arena;
	node->bucket[n] = arena;
	node->nonempty |= 1ULL << n;
	if (n == PA_ARENA_POOLS)
		WRITE_ONCE(node->empty, node->empty + 1);
	else if (pa_short_empty(arena))
		node->empty_short++;
}

static inline void pa_bucket_del(struct pa_node *node, struct pa_arena *arena)
{
	unsigned int n = arena->nfree;

	if (!n)
		return;
	if (arena->prev)
		arena->prev->next = arena->next;
	else
		node->bucket[n] = arena->next;
	if (arena->next)
		arena->next->prev = arena->prev;
	if (!node->bucket[n])
		node->nonempty &= ~(1ULL << n);
	if (n != PA_ARENA_POOLS) {
		node->empty_short -= pa_short_empty(arena);
		return;
	}
	WRITE_ONCE(node->empty, node->empty - 1);
	if (node->empty < node->empty_least)
		node->empty_least = node->empty;
}

static inline void pa_bucket_move(struct pa_node *node, struct pa_arena *arena, int delta)
{
	pa_bucket_del(node, arena);
	arena->nfree = (u8)(arena->nfree + delta);
	pa_bucket_add(node, arena);
}

bool pa_arena_detach(struct pa_node *node, struct pa_arena *arena);
struct pa_arena *pa_arenas_surplus(struct pa_node *node, unsigned int keep, unsigned int most);
u64 pa_node_shed(struct pa_node *node, bool all, struct pa_arena **from);

#endif
