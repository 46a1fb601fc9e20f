// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Where pools come from and go to.
 *
 * Arenas with room are kept in lists by their number of free pools, and a
 * word tells which lists are not empty. A pool comes from the fullest arena
 * that has room, found by one bit scan: so nearly empty arenas drain and can
 * be given back (CPython's rule since 3.8). Pools that were used before come
 * first: their memory is there.
 */
#include "pa_bucket.h"

/* How many arenas a search for a run of pools may look at. */
#define PA_RUN_SCAN	32

/* How many of the fullest arenas a search for used memory may look at. */
#define PA_USED_SCAN	16

static u64 pa_run_mask(unsigned int index, unsigned int npools)
{
	return (~0ULL >> (64 - npools)) << index;
}

/*
 * The pools at which a run of @npools free ones starts: and-ing the mask with
 * itself shifted doubles the length of the runs it stands for.
 */
static u64 pa_run_starts(u64 mask, unsigned int npools)
{
	unsigned int have = 1;

	while (have < npools) {
		unsigned int step = have < npools - have ? have : npools - have;

		mask &= mask >> step;
		have += step;
	}
	return mask;
}

static struct pa_arena *pa_find_run_emptiest(struct pa_node *node, unsigned int npools)
{
	u64 lists = node->nonempty >> npools << npools;
	unsigned int budget = PA_RUN_SCAN;
	struct pa_arena *arena;

	while (lists && budget) {
		unsigned int top = 63 - (unsigned int)__builtin_clzll(lists);

		for (arena = node->bucket[top]; arena && budget; arena = arena->next, budget--)
			if (pa_run_starts((u64)atomic64_read(&arena->free), npools))
				return arena;
		lists &= ~(1ULL << top);
	}
	return NULL;
}

static struct pa_arena *pa_find_run(struct pa_node *node, unsigned int npools)
{
	u64 lists = node->nonempty >> npools << npools;
	unsigned int budget = PA_RUN_SCAN;
	struct pa_arena *arena;

	for (; lists && budget; lists &= lists - 1) {
		arena = node->bucket[__builtin_ctzll(lists)];
		for (; arena && budget; arena = arena->next, budget--)
			if (pa_run_starts((u64)atomic64_read(&arena->free), npools))
				return arena;
	}
	/* None among the fullest: the emptiest most likely have one. */
	if (!node->bucket[PA_ARENA_POOLS] && !budget)
		return pa_find_run_emptiest(node, npools);
	return node->bucket[PA_ARENA_POOLS];
}

static void pa_desc_init(struct pa_arena *arena, unsigned int index,
			 unsigned int npools)
{
	struct pa_pool *pool = pa_arena_desc(arena, index);
	unsigned int i;

	for (i = 1; i < npools; i++) {
		WRITE_ONCE(pool[i].npools, 0);
		WRITE_ONCE(pool[i].back, (u8)i);
	}
	WRITE_ONCE(pool->npools, (u8)npools);
	WRITE_ONCE(pool->back, 0);
}

/*
 * Of the places where runs could start, those up to the highest whose first pool was used
 * itself, see pa_run_take(): pools that were only populated are for the class they were
 * populated for. Blocks of a long run may not need the memory.
 */
static u64 pa_starts_used(struct pa_arena *arena, u64 starts, unsigned int npools)
{
	if (!PA_POPULATE || npools == 1)
		return starts;
	while (starts) {
		unsigned int index = 63 - (unsigned int)__builtin_clzll(starts);

		if (pa_arena_desc(arena, index)->touched)
			break;
		starts &= ~(1ULL << index);
	}
	return starts;
}

/* The fullest arena, of a few, with a free run whose memory was used before. */
static struct pa_arena *pa_find_used(struct pa_node *node, unsigned int npools, u64 *starts)
{
	u64 lists = node->nonempty >> npools << npools;
	unsigned int budget = PA_USED_SCAN;
	struct pa_arena *arena;

	for (; lists && budget; lists &= lists - 1) {
		arena = node->bucket[__builtin_ctzll(lists)];
		for (; arena && budget; arena = arena->next, budget--) {
			*starts = pa_run_starts((u64)(atomic64_read(&arena->dirty) &
						      atomic64_read(&arena->free)), npools);
			*starts = pa_starts_used(arena, *starts, npools);
			if (*starts)
				return arena;
		}
	}
	return NULL;
}

/*
 * Takes a run that begins at one of @starts. Single pools come from the low
 * end of an arena and runs from the high end, to keep them out of each
 * other's way.
 */
static struct pa_pool *pa_run_take(struct pa_node *node, struct pa_arena *arena,
				   u64 starts, unsigned int npools)
{
	unsigned int index = npools == 1 ? (unsigned int)__builtin_ctzll(starts) :
					   63 - (unsigned int)__builtin_clzll(starts);
	u64 run = pa_run_mask(index, npools);

	pa_desc_init(arena, index, npools);
	pa_bucket_move(node, arena, -(int)npools);
	atomic64_andnot((s64)run, &arena->free);
	atomic64_andnot((s64)run, &arena->dirty);
	node->wanted = false;
	if (atomic64_read(&arena->aged) & (s64)run)
		atomic64_andnot((s64)run, &arena->aged);
	node->pools += npools;
	if (node->pools > node->pools_peak)
		node->pools_peak = node->pools;
	return pa_arena_desc(arena, index);
}

/* How many pools of a run do not have their bit in @dirty, whose bit 0 is the first one's. */
static unsigned int pa_run_fresh(struct pa_pool *pool, unsigned int npools, u64 dirty)
{
	unsigned int i, fresh = 0;

	for (i = 0; i < npools; i++) {
		if (dirty >> i & 1)
			continue;
		pool[i].touched = 0;
		fresh++;
	}
	return fresh;
}

/**
 * pa_arenas_get() - take a run of pools from the fullest arena that has one
 * @node: the node
 * @npools: length of the run, 1..32 pools
 * @fresh: if there is one, so many of them were never used before, or were purged;
 *	their @touched is 0
 *
 * O(1) for a single pool; for a run at most PA_RUN_SCAN arenas are looked at.
 *
 * Context: any; takes the node lock.
 * Return: the first descriptor of the run (owner, free, remote and carved are
 * clear), or NULL when no arena has room.
 */
struct pa_pool *pa_arenas_get(struct pa_node *node, unsigned int npools, unsigned int *fresh)
{
	struct pa_pool *pool = NULL;
	struct pa_arena *arena;

	pa_lock(&node->lock);
	if (npools == 1)
		arena = node->nonempty ?
			node->bucket[__builtin_ctzll(node->nonempty)] : NULL;
	else
		arena = pa_find_run(node, npools);
	if (arena) {
		u64 dirty = (u64)atomic64_read(&arena->dirty);

		pool = pa_run_take(node, arena,
				   pa_run_starts((u64)atomic64_read(&arena->free), npools),
				   npools);
		*fresh = pa_run_fresh(pool, npools, dirty >> pa_pool_index(pool));
	}
	pa_unlock(&node->lock);
	return pool;
}

/**
 * pa_arenas_get_used() - the same, but only memory that was used before
 * @node: the node
 * @npools: length of the run, 1..32 pools
 *
 * Such memory is resident, and perhaps in the cache.
 *
 * Context: any; takes the node lock.
 * Return: as pa_arenas_get(), or NULL when none was found among the fullest
 * PA_USED_SCAN arenas.
 */
struct pa_pool *pa_arenas_get_used(struct pa_node *node, unsigned int npools)
{
	struct pa_pool *pool = NULL;
	struct pa_arena *arena;
	u64 starts;

	pa_lock(&node->lock);
	arena = pa_find_used(node, npools, &starts);
	if (arena)
		pool = pa_run_take(node, arena, starts, npools);
	else
		node->wanted = true;
	pa_unlock(&node->lock);
	return pool;
}

/**
 * pa_arenas_populate() - get the memory of pools that will soon be used
 * @pool: the caller's, that pa_arenas_get() has just returned
 * @npools: so many from there on, as far as they are free and were never used
 *
 * Those behind the caller's count as used before from then on, so the next one
 * who needs a single pool takes them, and they lose their memory again if nobody does.
 *
 * Context: any; takes the node lock.
 */
void pa_arenas_populate(struct pa_pool *pool, unsigned int npools)
{
	struct pa_arena *arena = pa_arena_of(pool);
	struct pa_node *node = pa_nodes[arena->nid];
	unsigned int index = pa_pool_index(pool), n = pool->npools;
	u64 idle = (u64)(atomic64_read(&arena->free) & ~atomic64_read(&arena->dirty));
	u64 behind;

	while (n < npools && index + n <= PA_ARENA_POOLS && idle >> (index + n) & 1)
		n++;
	if (!pa_pages_populate(pa_pool_base(pool), n * PA_POOL_SIZE))
		return;
	behind = pa_run_mask(index, n) & ~pa_run_mask(index, pool->npools);
	if (!behind)
		return;
	pa_lock(&node->lock);
	behind &= (u64)atomic64_read(&arena->free);
	pa_run_fresh(pool, n, ~(behind >> index));
	atomic64_or((s64)behind, &arena->dirty);
	pa_unlock(&node->lock);
}

static void pa_desc_free(struct pa_pool *pool)
{
	WRITE_ONCE(pool->state, PA_POOL_FREE);
	WRITE_ONCE(pool->npools, 0);
	WRITE_ONCE(pool->carved, 0);
	WRITE_ONCE(pool->holes, 0);
	WRITE_ONCE(pool->back, 0);
}

/**
 * pa_arenas_put() - give a run of pools back to its arena
 * @pool: first descriptor of the run; no block of it is out, nobody owns it,
 *	it is on no list
 *
 * Gives the arena back to the system if it is wholly empty and the reserve is
 * there already; where pools can go alone, others when too many are free.
 *
 * Context: any; takes the node lock.
 */
void pa_arenas_put(struct pa_pool *pool)
{
	struct pa_arena *arena = pa_arena_of(pool);
	struct pa_node *node = pa_nodes[arena->nid];
	unsigned int npools = pool->npools;
	u64 run = pa_run_mask(pa_pool_index(pool), npools);
	struct pa_arena *surplus = NULL, *thin;
	unsigned int i;
	u64 shed = 0;

	for (i = 0; i < npools; i++)
		pa_desc_free(&pool[i]);

	pa_lock(&node->lock);
	atomic64_or((s64)run, &arena->dirty);
	atomic64_or((s64)run, &arena->free);
	pa_bucket_move(node, arena, (int)npools);
	node->pools -= npools;
	if (arena->nfree == PA_ARENA_POOLS)
		surplus = pa_arenas_surplus(node, READ_ONCE(pa_reserve), 1);
	else if (pa_short_empty(arena) && pa_arena_detach(node, arena))
		surplus = arena;
	else
		shed = pa_node_shed(node, false, &thin);
	pa_unlock(&node->lock);

	if (surplus)
		pa_arena_unmap(surplus);
	else if (shed)
		pa_pools_unmap(thin, shed);
	else
		pa_idle(node->nid);
}

/**
 * pa_arenas_grow() - map one more arena
 * @node: the node that gets it
 * @gfp: what the mapping may do: sleep, use reserves
 * @npools: a run of so many pools is needed
 *
 * The platform may give a short arena, which lacks its last pools, with those
 * in @aged and the other descriptors wiped.
 *
 * An arena that the heap has had before may come back before a grace period
 * has passed. A reader may then still stand on it, not pinned, about to read
 * all_next: so nothing of it is wiped, all its descriptors are free already,
 * and every value that it ever has in all_next is a valid one. The reader may
 * see some arenas twice.
 *
 * Context: as @gfp says; the caller has not entered a slot.
 * Return: false if the system has no memory or a limit is reached.
 */
bool pa_arenas_grow(struct pa_node *node, pa_gfp_t gfp, unsigned int npools)
{
	struct pa_arena *arena, *head;
	bool fresh = true;
	unsigned int n;
	void *base;

	base = pa_arena_map(node->nid, gfp, npools, &fresh);
	if (!base)
		return false;
	arena = pa_arena_of(base);
	n = pa_arena_pools(arena);
	if (fresh)
		memset(arena, 0, PA_DESC_BYTES);
	atomic64_set(&arena->free, (s64)pa_run_mask(1, n));
	atomic64_set(&arena->dirty, 0);
	if (!PA_POOLS_GO)
		atomic64_set(&arena->aged, 0);
	arena->nid = (u8)node->nid;
	arena->nfree = (u8)n;
	WRITE_ONCE(arena->magic, PA_MAGIC_ARENA);

	pa_lock(&node->lock);
	pa_bucket_add(node, arena);
	arena->all_prev = NULL;
	head = rcu_dereference_protected(node->all, true);
	rcu_assign_pointer(arena->all_next, head);
	/* Who can pin it finds it whole. Pairs with the cmpxchg in pa_arena_pin(). */
	smp_store_release(&arena->pins, 0);
	if (head)
		head->all_prev = arena;
	rcu_assign_pointer(node->all, arena);
	WRITE_ONCE(node->mapped, node->mapped + 1);
	node->bytes += pa_arena_bytes(arena);
	if (node->bytes > node->bytes_peak)
		node->bytes_peak = node->bytes;
	if (++node->arenas > node->arenas_peak)
		node->arenas_peak = node->arenas;
	pa_unlock(&node->lock);
	return true;
}

/**
 * pa_arena_hold() - take free pools out of use for a moment
 * @arena: a pinned arena
 * @want: set of its pools
 *
 * For giving their memory back while nobody can take them.
 * Return: those of @want that were free; give them to pa_arena_unhold().
 */
u64 pa_arena_hold(struct pa_arena *arena, u64 want)
{
	struct pa_node *node = pa_nodes[arena->nid];
	u64 held;

	pa_lock(&node->lock);
	held = want & (u64)atomic64_read(&arena->free);
	if (held) {
		atomic64_andnot((s64)held, &arena->free);
		pa_bucket_move(node, arena, -(int)hweight64(held));
	}
	pa_unlock(&node->lock);
	return held;
}

/**
 * pa_arena_unhold() - make held pools available again
 * @arena: the arena
 * @held: what pa_arena_hold() returned
 */
void pa_arena_unhold(struct pa_arena *arena, u64 held)
{
	struct pa_node *node = pa_nodes[arena->nid];

	pa_lock(&node->lock);
	atomic64_andnot((s64)held, &arena->dirty);
	atomic64_or((s64)held, &arena->free);
	pa_bucket_move(node, arena, (int)hweight64(held));
	pa_unlock(&node->lock);
}

/* Pools that neither are free nor hold blocks. */
static u64 pa_arena_stray(struct pa_arena *arena)
{
	u64 known = (u64)atomic64_read(&arena->free);
	unsigned int i = 1, npools = pa_arena_pools(arena);

	while (i <= npools) {
		struct pa_pool *pool = pa_arena_desc(arena, i);

		if (pool->state != PA_POOL_FREE && pool->npools) {
			known |= pa_run_mask(i, pool->npools);
			i += pool->npools;
		} else {
			i++;
		}
	}
	return pa_run_mask(1, npools) & ~known;
}

/**
 * pa_arenas_forked() - make whole what threads were at that are gone
 * @node: the node; its lock was held over the fork, so its lists are whole
 *
 * Ends their walks, and frees the pools that they held or were about to take
 * or to give back.
 *
 * Context: the forked child, before it has a second thread; the caller stands
 * on no arena.
 */
void pa_arenas_forked(struct pa_node *node)
{
	struct pa_arena *arena = rcu_dereference_protected(node->all, true);

	node->pools = 0;
	for (; arena; arena = rcu_dereference_protected(arena->all_next, true)) {
		u64 rest, stray = pa_arena_stray(arena);

		for (rest = stray; rest; rest &= rest - 1)
			pa_desc_free(pa_arena_desc(arena, (unsigned int)__builtin_ctzll(rest)));
		if (stray)
			pa_bucket_move(node, arena, (int)hweight64(stray));
		atomic64_or((s64)stray, &arena->dirty);
		atomic64_or((s64)stray, &arena->free);
		WRITE_ONCE(arena->pins, 0);
		node->pools += pa_arena_pools(arena) - arena->nfree;
	}
}

/**
 * pa_node_reset_peaks() - let the peaks start again from now
 * @node: the node
 *
 * Context: any; takes the node lock.
 */
void pa_node_reset_peaks(struct pa_node *node)
{
	pa_lock(&node->lock);
	node->arenas_peak = node->arenas;
	node->bytes_peak = node->bytes;
	node->pools_peak = node->pools;
	pa_unlock(&node->lock);
}
