// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Filling a slot's bins: which pool the blocks come from, and how many. See
 * common/README.md for the pool states.
 */
#include "pa_owner.h"

/* Bytes that one refill carves at most: the page it is going to touch. */
#define PA_CARVE_BYTES	4096

/*
 * A refill should bring so many blocks. Where few go round, as in a loop that
 * allocates one and frees it, each one would be a refill: after a number of such
 * refills in a row new blocks are cut although some came back, or, if the pool
 * is wholly cut, another one is taken.
 */
#define PA_REFILL_LEAST	16
#define PA_REFILL_SHORTS	16

/*
 * Should a refill look elsewhere? Yes if the pool has nothing to give, or only
 * the few blocks that came back since the last refill while a pool waits that
 * has more, or again and again.
 */
static bool pa_pool_spent(const struct pa_slot_class *c, const struct pa_pool *pool)
{
	if (pool->carved < pool->capacity || pool->holes)
		return false;
	if (!pool->free)
		return true;
	return (c->usable || c->shorts >= PA_REFILL_SHORTS) &&
	       pool->capacity - pool->left < pa_class[pool->cls].wake;
}

/*
 * A class that grows is going to use all of its next pool, and others behind it:
 * a page fault for each of their pages costs more than one call for all. The
 * next ones are a sixteenth of what the class has, and of an arena a quarter at most,
 * since runs take the rest. That is not for blocks that are larger than a page: who
 * uses them may not touch all of it.
 */
#define PA_POPULATE_LEAST	(128UL << 10)
#define PA_POPULATE_MOST	(PA_ARENA_SIZE / 4)
#define PA_POPULATE_PART	16

static void pa_slot_populate(struct pa_slot *slot, struct pa_pool *pool, unsigned int cls)
{
	size_t run = pa_class[cls].npools * PA_POOL_SIZE;
	size_t have = slot->cls[cls].pools * PA_POOL_SIZE;
	size_t bytes = have / PA_POPULATE_PART;

	if (!PA_POPULATE || have < PA_POPULATE_LEAST || pa_class_size(cls) > PA_CARVE_BYTES)
		return;
	if (bytes > PA_POPULATE_MOST)
		bytes = PA_POPULATE_MOST;
	/* Runs come from an arena's other end. */
	if (bytes < run || run > PA_POOL_SIZE)
		bytes = run;
	if (bytes >= 4 * PA_CARVE_BYTES)
		pa_arenas_populate(pool, (unsigned int)(bytes / PA_POOL_SIZE));
}

/* A run has been taken whose pools were used before, each perhaps by another class. */
static void pa_pool_sum_touched(struct pa_pool *pool)
{
	unsigned int i;

	if (PA_POOL_PAGES == 1)
		return;
	for (i = 1; i < pool->npools && pool[i - 1].touched == PA_POOL_PAGES; i++)
		pool->touched = (u8)(i * PA_POOL_PAGES + pool[i].touched);
}

/*
 * So many pools that were never used before are taken until what a slot caches of
 * classes that it no longer uses goes back, where memory is the slot's own problem.
 */
#define PA_STALE_POOLS	((256UL << 10) / PA_POOL_SIZE)

/*
 * Memory that was never used costs page faults and makes the heap larger: it
 * comes last, after what is kept for other classes.
 */
static struct pa_pool *pa_pool_get_used(struct pa_slot *slot, unsigned int npools)
{
	struct pa_pool *pool;

	do {
		pool = pa_arenas_get_used(slot->node, npools);
	} while (!pool && pa_slot_release_some_empty(slot, PA_EMPTY_STEP));
	if (PA_HOT_SPANS && !pool && slot->fresh_pools >= PA_STALE_POOLS &&
	    pa_slot_release_stale(slot))
		pool = pa_arenas_get_used(slot->node, npools);
	return pool;
}

static struct pa_pool *pa_pool_get(struct pa_slot *slot, unsigned int cls)
{
	unsigned int npools = pa_class[cls].npools, fresh;
	struct pa_pool *pool = pa_pool_get_used(slot, npools);

	if (pool) {
		if (PA_EMPTY_LOAN && slot->gone >= npools) {
			slot->gone -= npools;
			slot->missed += npools;
		}
		pa_pool_sum_touched(pool);
		return pool;
	}
	pool = pa_arenas_get(slot->node, npools, &fresh);
	if (!pool)
		return NULL;
	/* One that was used before may lie beyond where that was looked for. */
	slot->fresh_pools += fresh;
	if (fresh == npools)
		pa_slot_populate(slot, pool, cls);
	else
		pa_pool_sum_touched(pool);
	return pool;
}

static struct pa_pool *pa_pool_new(struct pa_slot *slot, unsigned int cls)
{
	struct pa_pool *pool = pa_pool_get(slot, cls);

	if (!pool)
		return NULL;
	WRITE_ONCE(pool->left, 0);
	WRITE_ONCE(pool->cls, (u8)cls);
	WRITE_ONCE(pool->capacity, pa_class[cls].capacity);
	/* From here on statistics count it. Pairs with pa_next_pool(). */
	smp_store_release(&pool->state, PA_POOL_CURRENT);
	pa_pool_set_owner(pool, pa_owner_word(slot, cls));
	pa_slot_gains(slot, pool);
	return pool;
}

/*
 * A class that has so many pools, 1 MiB, is not in the near caches when its turn comes.
 * Memory whose next lines are not touched is not fetched ahead by the processor then.
 */
#define PA_FAR_POOLS	64
#define PA_FAR_BLOCK	128
#define PA_FAR_AHEAD	8

/* Makes a list of @n neighbours. @far: they are not in the cache. */
static void pa_link_blocks(char *p, size_t size, u32 n, bool far)
{
	for (; n > 4; n -= 4, p += 4 * size) {
		if (far && n > PA_FAR_AHEAD + 4) {
			__builtin_prefetch(p + PA_FAR_AHEAD * size, 1, 3);
			__builtin_prefetch(p + (PA_FAR_AHEAD + 1) * size, 1, 3);
			__builtin_prefetch(p + (PA_FAR_AHEAD + 2) * size, 1, 3);
			__builtin_prefetch(p + (PA_FAR_AHEAD + 3) * size, 1, 3);
		}
		pa_store_link(p, p + size);
		pa_store_link(p + size, p + 2 * size);
		pa_store_link(p + 2 * size, p + 3 * size);
		pa_store_link(p + 3 * size, p + 4 * size);
	}
	for (; n > 1; n--, p += size)
		pa_store_link(p, p + size);
	pa_store_link(p, NULL);
}

/*
 * Cuts the next blocks of a pool: as far as its memory was used before; else at
 * most up to the end of the page that the first of them starts in (of large
 * blocks: one), so that memory behind them stays untouched.
 */
static void *pa_pool_carve(struct pa_slot *slot, struct pa_pool *pool)
{
	size_t size = pa_class_size(pool->cls);
	size_t start = pool->carved * size, end = pool->touched * PA_PAGE;
	char *first = pa_pool_base(pool) + start;
	u32 n;

	if (end <= start)
		end = start + PA_CARVE_BYTES - start % PA_CARVE_BYTES;
	n = (u32)((end - start) / size);
	if (!n)
		n = 1;
	if (n > (u32)pool->capacity - pool->carved)
		n = (u32)pool->capacity - pool->carved;
	WRITE_ONCE(pool->carved, (u16)(pool->carved + n));
	WRITE_ONCE(pool->left, pool->left + n);
	slot->fresh[pool->cls] = true;
	PA_WRITE_OWN(slot->carves, slot->carves + 1);
	pa_link_blocks(first, size, n, PA_POOL_PAGES > 1 && size >= PA_FAR_BLOCK &&
		       slot->cls[pool->cls].pools >= PA_FAR_POOLS);
	return first;
}

/*
 * A class that has so many pools is not in the cache as a whole: it matters in which
 * order blocks of a pool are handed out. Those of a pool of one page are in it soon.
 */
#define PA_MANY_POOLS	16

static bool pa_class_is_large(const struct pa_slot_class *c)
{
	return PA_POOL_PAGES > 1 && c->pools >= PA_MANY_POOLS;
}

/*
 * A pool all of whose blocks came back, in any order, is cut anew: neighbours are
 * handed out together again, and the next allocation need not wait for the link in
 * the block before. Where a class has few pools it is quicker to take the list.
 */
static bool pa_pool_shall_recarve(const struct pa_slot_class *c, const struct pa_pool *pool)
{
	return pa_class_is_large(c) && !pool->left && pool->carved == pool->capacity &&
	       !pool->holes && pool->npools == 1;
}

/*
 * Blocks of queues, and of caches that drop what is oldest, are freed in about the
 * order in which they were allocated. Bins would mix them: if there are some sizes,
 * what a free leaves there is not what the next allocation takes, and after some
 * rounds blocks that are used one after the other lie anywhere. So those of a small
 * class that has many pools go to their pools, and neighbours come back together.
 *
 * The refills tell. They bring a good part of a pool, where of blocks that are freed
 * at random they bring a few, though other pools wait. And while it is the current
 * one a pool gives each of its blocks once, unless some are freed soon: these are
 * best handed out next, by the bin. A class that grew and freed none begins on trial.
 */
#define PA_ORDER_LEAST	24
#define PA_ORDER_GAIN	4
#define PA_ORDER_TRIAL	(PA_ORDER_ENOUGH + 16)
#define PA_ORDER_MOST	120

/* It becomes true with another pool, for which @given begins anew. */
static bool pa_class_can_order(const struct pa_slot_class *c, unsigned int cls)
{
	return pa_class_is_large(c) && cls <= PA_SMALL_CLASSES;
}

static bool pa_class_in_order(const struct pa_slot_class *c)
{
	return pa_class_is_large(c) && c->order >= PA_ORDER_ENOUGH;
}

/*
 * @pool is about to give what came back to it. If the class is in order and its oldest block
 * lies in the pool that gives, it is soon empty again, and gives the rest bit by bit.
 */
static void pa_slot_note_order(struct pa_slot *slot, const struct pa_pool *pool)
{
	struct pa_slot_class *c = &slot->cls[pool->cls];
	u32 n = pa_pool_whole(pool) - pool->left, most = pool->capacity;
	u32 given = slot->given[pool->cls], good = most * 3 / 8;

	if (good < PA_ORDER_LEAST)
		good = PA_ORDER_LEAST;
	if (given + n > most + most / 8)
		c->order = 0;
	else if (given < good && given + n >= good)
		c->order += c->order < PA_ORDER_MOST ? PA_ORDER_GAIN : 0;
	else if (!given && c->usable && c->order)
		c->order--;
}

/* Once more, is what came back to a single pool few? Blocks of spans stay in bins. */
static bool pa_pool_is_short(struct pa_slot_class *c, const struct pa_pool *pool)
{
	if (pool->carved - pool->left >= PA_REFILL_LEAST || pool->npools > 1)
		c->shorts = 0;
	else if (c->shorts < PA_REFILL_SHORTS)
		c->shorts++;
	return c->shorts == PA_REFILL_SHORTS;
}

/*
 * Takes a pool's whole free list, or cuts new blocks.
 * Return: a list, or NULL: a hole brought nothing yet, or the pool's list was
 * damaged: it is dropped, its blocks stay out for ever.
 */
static void *pa_pool_take(struct pa_slot *slot, struct pa_pool *pool)
{
	struct pa_slot_class *c = &slot->cls[pool->cls];
	void *list = pool->free;

	slot->fresh[pool->cls] = false;
	if (list && pa_pool_is_short(c, pool) && pool->carved < pool->capacity)
		list = NULL;
	if (!list) {
		c->shorts = 0;
		return pool->holes ? pa_hole_fill(pool) : pa_pool_carve(slot, pool);
	}
	if (unlikely(!pa_pool_holds(pool, list) ||
		     !pa_list_sound(pool, list, pa_pool_whole(pool) - pool->left))) {
		pa_pool_damaged(pool);
		return NULL;
	}
	if (pa_class_can_order(c, pool->cls))
		pa_slot_note_order(slot, pool);
	WRITE_ONCE(pool->free, NULL);
	if (pa_pool_shall_recarve(c, pool)) {
		pool->touched = (u8)PA_POOL_PAGES;
		WRITE_ONCE(pool->carved, 0);
		return pa_pool_carve(slot, pool);
	}
	WRITE_ONCE(pool->left, pa_pool_whole(pool));
	return list;
}

/*
 * Takes over what others have freed until there is something of the class. Pools of all
 * classes are in the inbox: where many go round, the first ones need not bring any for
 * this one, and the heap would grow beside blocks that nobody uses. Where memory comes by
 * page faults, each of which costs more, PA_DRAIN_MOST pools are taken if it must be. For
 * each new pool they are so many that the inbox gets shorter, and half a millisecond.
 */
#define PA_DRAIN_MOST	(PA_POPULATE ? 1024 : PA_SLOW_STEP)

static void pa_slot_drain_for(struct pa_slot *slot, const struct pa_slot_class *c)
{
	unsigned int n;

	for (n = 0; n < PA_DRAIN_MOST; n += PA_SLOW_STEP) {
		if (c->usable || pa_stack_empty(&slot->inbox))
			return;
		pa_slot_drain_some(slot, PA_SLOW_STEP);
	}
}

static struct pa_pool *pa_slot_next_pool(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;

	pa_slot_drain_for(slot, c);
	pool = c->usable;
	if (pool) {
		/* Who waits longest has most of its blocks; an empty one is still cached. */
		if (pa_class_in_order(c) && pool->left)
			pool = pool->prev;
		if (!pool->left)
			pa_slot_uses_empty(slot, pool);
		pa_list_del(&c->usable, pool);
		WRITE_ONCE(pool->state, PA_POOL_CURRENT);
		return pool;
	}
	if (!pa_stack_empty(&slot->node->shared[cls])) {
		pool = pa_shared_adopt(slot, cls);
		if (pool)
			return pool;
	}
	return pa_pool_new(slot, cls);
}

/* The least that a count of room can be. */
#define PA_ROOM_BITS	(8 * (sizeof(pa_room_t) < sizeof(s32) ? sizeof(pa_room_t) : sizeof(s32)))
#define PA_ROOM_LEAST	(-(s32)((1u << (PA_ROOM_BITS - 1)) - 1) / PA_ROOM_TAKEN)

/*
 * A bin has got @n blocks: with those that are freed it shall hold no more than
 * @room of its class, or a quarter of that more than @n. Where pools are large, and
 * nothing was freed between two refills of a class with more than one, not even that:
 * else the next blocks that are freed in a row, the oldest ones, would fill the bin,
 * a pool's worth of them, and be handed out before those that are still in the cache.
 * A class with many pools grows in this case, and what is taken makes no room: a
 * quarter it is when the bin is empty again. So a long run of frees that follows does
 * not leave one block of each of many pools in the bin. If the class is in order there
 * is no room until then.
 */
static void pa_bin_filled(struct pa_slot *slot, unsigned int cls, u32 n)
{
	pa_room_t *room = &slot->bins->room[cls];
	struct pa_slot_class *c = &slot->cls[cls];
	s32 most = pa_class[cls].room, least = most / 4, blocks = most - (s32)n;
	bool unfreed = *room == c->unfreed;

	if (blocks < least && !(PA_POOL_PAGES > 1 && unfreed && c->pools > 1))
		blocks = least;
	if (pa_class_is_large(c)) {
		if (unfreed) {
			blocks = least - (s32)n;
			if (!c->blind && slot->fresh[cls] && cls <= PA_SMALL_CLASSES)
				c->order = PA_ORDER_TRIAL;
		}
		if (pa_class_in_order(c))
			blocks = -(s32)n;
		c->blind = blocks <= 0 || n < PA_REFILL_LEAST;
	}
	if (blocks < PA_ROOM_LEAST)
		blocks = PA_ROOM_LEAST;
	*room = (pa_room_t)(blocks * PA_ROOM_TAKEN);
	/* One of them is taken without being counted. Frees to pools are not seen. */
	c->unfreed = (pa_room_t)(*room + (s32)(n - 1) * PA_ROOM_TAKEN);
	if (pa_class_in_order(c))
		c->unfreed++;
}

/**
 * pa_slot_refill() - fill an empty bin and allocate from it
 * @slot: the entered slot
 * @cls: the class, whose bin is empty
 *
 * In this order: blocks that came back to the current pool, its uncarved
 * rest, a usable pool, what others have freed, a pool that somebody left
 * behind, a new pool. The inbox is looked at late, so that its pools have
 * gathered blocks by then, but always before the slot grows.
 *
 * Return: a block, or NULL if the node has no pool: leave the slot, call
 * pa_arenas_grow(), enter again.
 */
void *pa_slot_refill(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;
	void *p, *next;
	u32 before;

	do {
		pool = c->current_pool;
		if (!pool || pa_pool_spent(c, pool)) {
			if (pool)
				pa_pool_set_full(slot, pool);
			/* The search may give pools back, that one too. */
			WRITE_ONCE(c->current_pool, NULL);
			pool = pa_slot_next_pool(slot, cls);
			WRITE_ONCE(c->current_pool, pool);
			if (pa_class_can_order(c, cls))
				slot->given[cls] = 0;
			if (!pool)
				return NULL;
		}
		before = pool->left;
		p = pa_pool_take(slot, pool);
	} while (unlikely(!p));
	PA_WRITE_OWN(slot->refills, slot->refills + 1);
	c->filled = true;
	if (pa_class_can_order(c, cls))
		slot->given[cls] += (u16)(pool->left - before);
	if (cls < PA_BINS)
		pa_bin_filled(slot, cls, pool->left - before);
	else
		pa_slot_forget_kept(slot, cls);
	if (cls <= PA_SMALL_CLASSES)
		pa_note_refill(cls, pool->left - before, pool->carved);
	pa_trace_refill(cls);
	next = pa_load_link(p);
	PA_WRITE_OWN(*pa_slot_bin(slot, cls), next);
	__builtin_prefetch(next, 1, 3);
	return p;
}
