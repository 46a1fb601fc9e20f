/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the owner of a pool does with it: which list it is on, and what @left
 * counts there. For the slow paths of slots.
 */
#ifndef PA_OWNER_H
#define PA_OWNER_H

#include "pa_hole.h"
#include "pa_node.h"

/*
 * Pools that one visit of a slot takes care of, at most: in the kernel nothing
 * else runs on the CPU meanwhile. A refill needs one, so the inbox gets empty.
 */
#define PA_SLOW_STEP	32

/* Of empty pools, whose lists are looked through before they go. */
#define PA_EMPTY_STEP	8

/*
 * How many empty pools a slot keeps on its usable lists, and more if its node lends
 * it room for PA_EMPTY_LOAN at a time. Without them a program that frees what it
 * has just allocated takes each pool from its arena and carves it again, under a lock
 * that other slots want, too.
 */
#define PA_EMPTY_POOLS	(PA_POOL_PAGES > 1 ? 60 : 64)

static inline u64 pa_slot_room(const struct pa_slot *slot)
{
	return PA_EMPTY_POOLS + (u64)slot->loans * PA_EMPTY_LOAN;
}

/* How many pools a slot works with: all but those that it keeps on loan. */
static inline u64 pa_slot_used(const struct pa_slot *slot)
{
	return slot->empty > PA_EMPTY_POOLS ? slot->pools - slot->empty + PA_EMPTY_POOLS :
					      slot->pools;
}

/*
 * The heap has become half of what it was: blocks that are kept, of spans and in
 * the bins, would hold pools, and arenas, that are otherwise empty.
 */
static inline bool pa_kept_too_many(const struct pa_slot *slot)
{
	return PA_HOT_SPANS && pa_slot_used(slot) < slot->kept_pools / 2;
}

/* A new pool, or one less that is empty. */
static inline void pa_slot_note_used(struct pa_slot *slot)
{
	if (PA_HOT_SPANS && slot->kept_pools < pa_slot_used(slot))
		slot->kept_pools = pa_slot_used(slot);
}

/* An empty pool is used again. */
static inline void pa_slot_uses_empty(struct pa_slot *slot, const struct pa_pool *pool)
{
	slot->empty -= pool->npools;
	if (PA_EMPTY_LOAN && slot->unneeded > slot->empty)
		slot->unneeded = slot->empty;
	pa_slot_note_used(slot);
}

/* A pool, whose class is set, becomes the slot's, or leaves it. */
static inline void pa_slot_gains(struct pa_slot *slot, const struct pa_pool *pool)
{
	PA_WRITE_OWN(slot->pools, slot->pools + pool->npools);
	pa_slot_note_used(slot);
	slot->cls[pool->cls].pools += pool->npools;
}

static inline void pa_slot_loses(struct pa_slot *slot, const struct pa_pool *pool)
{
	PA_WRITE_OWN(slot->pools, slot->pools - pool->npools);
	slot->cls[pool->cls].pools -= pool->npools;
}

static inline void pa_list_add(struct pa_pool **head, struct pa_pool *pool)
{
	struct pa_pool *first = *head;

	pool->next = first;
	pool->prev = first ? first->prev : pool;
	if (first)
		first->prev = pool;
	*head = pool;
}

static inline void pa_list_del(struct pa_pool **head, struct pa_pool *pool)
{
	struct pa_pool *first = *head;

	if (pool == first)
		*head = pool->next;
	else
		pool->prev->next = pool->next;
	if (pool->next)
		pool->next->prev = pool->prev;
	else
		first->prev = pool->prev;
}

/* Are freed blocks in the bin of a medium class? */
static inline bool pa_slot_kept(const struct pa_slot *slot, unsigned int cls)
{
	return slot->kept[cls - PA_FIRST_MEDIUM];
}

/* The bin of a medium class is empty, or has been filled anew. */
static inline void pa_slot_forget_kept(struct pa_slot *slot, unsigned int cls)
{
	unsigned int i = cls - PA_FIRST_MEDIUM;

	if (!PA_HOT_SPANS)
		return;
	slot->kept_bytes -= slot->kept[i] * pa_class_size(cls);
	slot->kept[i] = 0;
	slot->kept_most = slot->pools * (PA_POOL_SIZE / PA_KEPT_PART);
	if (slot->kept_most < PA_KEPT_LEAST)
		slot->kept_most = PA_KEPT_LEAST;
}

/* A bin is emptied: what comes next begins as with a new slot. */
static inline void pa_bin_forget(struct pa_slot *slot, unsigned int cls)
{
	if (cls < PA_ROOMS)
		slot->bins->room[cls] = 0;
	slot->cls[cls].unfreed = 0;
}

/* Is the current pool all that the slot has of a class? Then a bin has no others' blocks. */
static inline bool pa_slot_has_one_pool(const struct pa_slot *slot, unsigned int cls)
{
	const struct pa_slot_class *c = &slot->cls[cls];

	return c->current_pool && c->pools == c->current_pool->npools;
}

/* More blocks than any bin can hold: a list that is longer goes in a circle. */
#define PA_BIN_STEPS	PA_POOL_SIZE

/* Carved blocks that are somewhere: out, or on the pool's list. */
static inline u32 pa_pool_whole(const struct pa_pool *pool)
{
	return pool->carved - pa_hole_blocks(pool, pool->holes);
}

/* True if the pool can give a block without waiting for a free. */
static inline bool pa_pool_has_room(const struct pa_pool *pool)
{
	return pool->free || pool->carved < pool->capacity || pool->holes;
}

/*
 * From here on @left counts down to the wake-up. A pool that has less free
 * than that sleeps until the rest is there.
 */
static inline void pa_pool_set_full(struct pa_slot *slot, struct pa_pool *pool)
{
	WRITE_ONCE(pool->state, PA_POOL_FULL);
	WRITE_ONCE(pool->left, pa_class[pool->cls].wake -
			       (pool->free ? pool->capacity - pool->left : 0));
	pa_list_add(&slot->full, pool);
}

static inline void pa_pool_set_usable(struct pa_slot *slot, struct pa_pool *pool)
{
	WRITE_ONCE(pool->state, PA_POOL_USABLE);
	pa_list_add(&slot->cls[pool->cls].usable, pool);
}

/* A FULL pool leaves the full list; @left is the true number from here on. */
static inline void pa_pool_wake(struct pa_slot *slot, struct pa_pool *pool)
{
	pa_list_del(&slot->full, pool);
	WRITE_ONCE(pool->left, pa_pool_out(pool, PA_POOL_FULL));
}

/*
 * Splices remotely freed blocks into an owned pool's free list.
 * Return: how many. @left is the true number of blocks that are out.
 */
static inline u32 pa_pool_collect(struct pa_pool *pool)
{
	u64 word = pa_remote_take(pool);
	u32 count = pa_remote_count(word);

	if (count) {
		pa_store_link(pa_remote_tail(pool, word), pool->free);
		WRITE_ONCE(pool->free, pa_remote_head(pool, word));
		WRITE_ONCE(pool->left, pool->left - count);
	}
	return count;
}

void pa_slot_empty_bin(struct pa_slot *slot, unsigned int cls);
void pa_pool_damaged(struct pa_pool *pool);
void pa_pool_release(struct pa_slot *slot, struct pa_pool *pool);
void pa_pool_unlist(struct pa_slot *slot, struct pa_pool *pool);
void pa_pool_emptied(struct pa_slot *slot, struct pa_pool *pool, u64 room);
void pa_slot_release_empty(struct pa_slot *slot, unsigned int cls, unsigned int *most);
bool pa_slot_borrow(struct pa_slot *slot);
void pa_slot_forget_empty(struct pa_slot *slot);
bool pa_slot_release_some_empty(struct pa_slot *slot, unsigned int most);

/* Pools that change owner, pa_shared.c. */
struct pa_pool *pa_shared_adopt(struct pa_slot *slot, unsigned int cls);
void pa_inbox_pass_on(struct pa_slot *slot);
void pa_pool_let_go(struct pa_slot *slot, struct pa_pool *pool);

#endif
