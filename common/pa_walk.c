// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Walks over all arenas of a node, while others map and unmap some.
 */
#include "pa_node.h"

static bool pa_arena_pin(struct pa_arena *arena)
{
	u16 pins = READ_ONCE(arena->pins);

	do {
		if (pins & PA_PINS_GONE)
			return false;
	} while (!try_cmpxchg(&arena->pins, &pins, (u16)(pins + 1)));
	return true;
}

/**
 * pa_arena_unpin() - end a walk early
 * @arena: what pa_arenas_next() returned last
 */
void pa_arena_unpin(struct pa_arena *arena)
{
	u16 pins = READ_ONCE(arena->pins);

	while (!try_cmpxchg(&arena->pins, &pins, (u16)(pins - 1)))
		;
}

/**
 * pa_arenas_next() - the next arena of a walk over all arenas of a node
 * @node: the node
 * @arena: what the last call returned; NULL to start
 *
 * A pinned arena stays on the list and mapped, so nothing has to be held
 * between two calls: the walker may sleep, allocate and free. RCU covers the
 * step from an arena to the next one, which may be leaving just now.
 *
 * Context: any. Arenas that are mapped during the walk may be missed.
 * Return: the next arena, pinned, or NULL at the end. @arena is unpinned.
 */
struct pa_arena *pa_arenas_next(struct pa_node *node, struct pa_arena *arena)
{
	struct pa_arena *next;

	rcu_read_lock();
	next = arena ? rcu_dereference(arena->all_next) : rcu_dereference(node->all);
	while (next && !pa_arena_pin(next))
		next = rcu_dereference(next->all_next);
	rcu_read_unlock();
	if (arena)
		pa_arena_unpin(arena);
	return next;
}

/**
 * pa_arenas_step() - pa_arenas_next() with the node lock in the place of RCU
 * @node: the node
 * @arena: what the last call returned; NULL to start
 *
 * For what runs inside alloc or free: a thread's first read-side section may
 * have to register it, which allocates and locks.
 *
 * Context: any; takes the node lock.
 * Return: the next arena, pinned, or NULL at the end. @arena is unpinned.
 */
struct pa_arena *pa_arenas_step(struct pa_node *node, struct pa_arena *arena)
{
	struct pa_arena *next;

	pa_lock(&node->lock);
	next = rcu_dereference_protected(arena ? arena->all_next : node->all, true);
	while (next && !pa_arena_pin(next))
		next = rcu_dereference_protected(next->all_next, true);
	pa_unlock(&node->lock);
	if (arena)
		pa_arena_unpin(arena);
	return next;
}
