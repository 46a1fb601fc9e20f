// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What goes back to the system: arenas that are wholly empty, and where pools
 * can go alone, free pools of arenas in which blocks live.
 */
#include "pa_bucket.h"

/* Takes an arena off the heap's lists. Fails while a walker stands on it. */
bool pa_arena_detach(struct pa_node *node, struct pa_arena *arena)
{
	struct pa_arena *next = rcu_dereference_protected(arena->all_next, true);
	u16 none = 0;

	if (!try_cmpxchg(&arena->pins, &none, (u16)PA_PINS_GONE))
		return false;
	pa_bucket_del(node, arena);
	if (arena->all_prev)
		rcu_assign_pointer(arena->all_prev->all_next, next);
	else
		rcu_assign_pointer(node->all, next);
	if (next)
		next->all_prev = arena->all_prev;
	WRITE_ONCE(arena->magic, PA_MAGIC_GONE);
	node->arenas--;
	node->bytes -= pa_arena_bytes(arena);
	node->unmapped++;
	return true;
}

/*
 * Takes up to @most wholly empty arenas off the lists, but leaves @keep: those
 * that became empty last, which are the first to be used again. The caller
 * holds the node lock and unmaps after it has dropped it.
 * Return: a list, linked by @next.
 */
struct pa_arena *pa_arenas_surplus(struct pa_node *node, unsigned int keep, unsigned int most)
{
	struct pa_arena *arena = node->bucket[PA_ARENA_POOLS], *next, *list = NULL;

	if (node->empty <= keep)
		return NULL;
	while (arena && keep) {
		arena = arena->next;
		keep--;
	}
	for (; arena && most; arena = next) {
		next = arena->next;
		if (!pa_arena_detach(node, arena))
			continue;
		arena->next = list;
		list = arena;
		most--;
	}
	return list;
}

/* Likewise one short arena; of those none is kept. */
static struct pa_arena *pa_arenas_surplus_short(struct pa_node *node)
{
	u64 lists = node->nonempty & ~(1ULL << PA_ARENA_POOLS);
	struct pa_arena *arena;

	if (!node->empty_short)
		return NULL;
	for (; lists; lists &= lists - 1)
		for (arena = node->bucket[__builtin_ctzll(lists)]; arena; arena = arena->next)
			if (pa_short_empty(arena) && pa_arena_detach(node, arena)) {
				arena->next = NULL;
				return arena;
			}
	return NULL;
}

/*
 * How many free pools a node keeps beside live ones, in a part of those that
 * are in use and one arena more: what goes up and down by less fetches none.
 */
#define PA_IDLE_PART	16

/* Free pools in arenas that are not wholly empty, and more than are kept. */
static bool pa_node_too_idle(const struct pa_node *node, bool all)
{
	u64 idle = node->bytes / PA_POOL_SIZE - node->arenas - node->pools -
		   (u64)node->empty * PA_ARENA_POOLS;

	return idle > (all ? 0 : PA_POOLS_PER_ARENA + node->pools / PA_IDLE_PART);
}

/*
 * Takes all free pools of an arena from the heap: of the emptiest one in which
 * blocks live, so that few arenas become short, and soon empty. They are missing
 * from then on. The caller holds the node lock, and gives their memory back by
 * pa_pools_unmap() after it has dropped it; the arena itself may be gone then.
 * Return: the set of pools, and *@from.
 */
u64 pa_node_shed(struct pa_node *node, bool all, struct pa_arena **from)
{
	u64 run, lists = node->nonempty & ~(1ULL << PA_ARENA_POOLS);
	struct pa_arena *arena;

	if (!PA_POOLS_GO || !lists || (!all && (PA_POOLS_GO == 1 || node->wanted)) ||
	    !pa_node_too_idle(node, all))
		return 0;
	arena = node->bucket[63 - (unsigned int)__builtin_clzll(lists)];
	/* A walker keeps it, it goes as a whole. */
	if (pa_short_empty(arena))
		return 0;
	run = (u64)atomic64_read(&arena->free);
	pa_bucket_del(node, arena);
	arena->nfree = 0;
	atomic64_andnot((s64)run, &arena->free);
	atomic64_andnot((s64)run, &arena->dirty);
	pa_arena_part(arena);
	atomic64_or((s64)run, &arena->aged);
	node->bytes -= hweight64(run) * PA_POOL_SIZE;
	*from = arena;
	return run;
}

/**
 * pa_arenas_shed() - give back the free pools of arenas in which blocks live
 * @node: the node
 *
 * Context: any; takes the node lock once per arena.
 * Return: bytes given back.
 */
size_t pa_arenas_shed(struct pa_node *node)
{
	struct pa_arena *arena;
	size_t bytes = 0;
	u64 run;

	do {
		pa_lock(&node->lock);
		run = pa_node_shed(node, true, &arena);
		pa_unlock(&node->lock);
		if (run)
			pa_pools_unmap(arena, run);
		bytes += hweight64(run) * PA_POOL_SIZE;
	} while (run);
	return bytes;
}

/**
 * pa_arenas_unused() - how much of the wholly empty arenas is not needed
 * @node: the node
 *
 * Context: any; takes the node lock.
 * Return: the fewest there were at any time since the last call. So many of
 * them, those that pa_arenas_release_some() takes first, were empty all along.
 */
unsigned int pa_arenas_unused(struct pa_node *node)
{
	unsigned int least;

	pa_lock(&node->lock);
	least = node->empty_least;
	node->empty_least = node->empty;
	pa_unlock(&node->lock);
	return least;
}

/* Arenas that are taken off the lists in one go. */
#define PA_RELEASE_STEP	8

/**
 * pa_arenas_release_some() - give wholly empty arenas back, a limited number
 * @node: the node
 * @keep: how many to keep
 * @most: how many to give back
 *
 * Those that have been empty longest go first.
 *
 * Context: any; takes the node lock once per PA_RELEASE_STEP arenas.
 * Return: bytes given back.
 */
size_t pa_arenas_release_some(struct pa_node *node, unsigned int keep, unsigned int most)
{
	struct pa_arena *list, *arena;
	size_t bytes = 0;

	while (most) {
		unsigned int step = most < PA_RELEASE_STEP ? most : PA_RELEASE_STEP;

		pa_lock(&node->lock);
		list = pa_arenas_surplus_short(node);
		if (!list)
			list = pa_arenas_surplus(node, keep, step);
		pa_unlock(&node->lock);
		if (!list)
			break;
		while ((arena = list)) {
			list = arena->next;
			bytes += pa_arena_bytes(arena);
			pa_arena_unmap(arena);
			most--;
		}
	}
	return bytes;
}

/**
 * pa_arenas_release() - give wholly empty arenas back to the system
 * @node: the node
 * @keep: how many to keep
 *
 * Context: any; takes the node lock.
 * Return: bytes given back.
 */
size_t pa_arenas_release(struct pa_node *node, unsigned int keep)
{
	return pa_arenas_release_some(node, keep, ~0U);
}
