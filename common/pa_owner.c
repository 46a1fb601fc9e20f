// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Pools of a slot that can be allocated from again, or leave it.
 */
#include "pa_owner.h"

/*
 * A pool whose free list does not fit its counters: a block was freed twice, or
 * by a pointer into its middle, or written to after it was freed. All of its
 * blocks stay out for ever.
 */
void __pa_cold pa_pool_damaged(struct pa_pool *pool)
{
	pa_corrupt("free list is damaged (freed twice, or inside a block, or used after free)",
		   pa_pool_base(pool));
	WRITE_ONCE(pool->free, NULL);
	WRITE_ONCE(pool->left, pool->carved);
}

/* What a pool, or each of a span, has of memory, for who takes it next. */
static void pa_pool_note_touched(struct pa_pool *pool)
{
	size_t bytes = pool->holes ? 0 : pool->carved * pa_class_size(pool->cls);
	size_t pages = (bytes + PA_PAGE - 1) / PA_PAGE;
	unsigned int i, n = pool->npools;

	if (PA_POOL_PAGES == 1)
		return;
	for (i = 0; i < n; i++) {
		pool[i].touched = (u8)(pages < PA_POOL_PAGES ? pages : PA_POOL_PAGES);
		pages -= pool[i].touched;
	}
}

/* Gives an owned pool that holds no live block, and is on no list, back. */
void pa_pool_release(struct pa_slot *slot, struct pa_pool *pool)
{
	pa_slot_loses(slot, pool);
	if (unlikely(!pa_list_sound(pool, pool->free, pa_pool_whole(pool)))) {
		pa_pool_damaged(pool);
		WRITE_ONCE(pool->state, PA_POOL_LOOSE);
		pa_pool_set_owner(pool, NULL);
		return;
	}
	WRITE_ONCE(pool->free, NULL);
	pa_pool_set_owner(pool, NULL);
	pa_pool_note_touched(pool);
	pa_arenas_put(pool);
}

/* Takes a pool out of whatever list its owner has it on. */
void pa_pool_unlist(struct pa_slot *slot, struct pa_pool *pool)
{
	if (pool->state == PA_POOL_USABLE)
		pa_list_del(&slot->cls[pool->cls].usable, pool);
	else if (pool->state == PA_POOL_FULL)
		pa_list_del(&slot->full, pool);
	else if (slot->cls[pool->cls].current_pool == pool)
		WRITE_ONCE(slot->cls[pool->cls].current_pool, NULL);
}

/* The last block of a usable pool came back. It is kept if there are @room with it, at most. */
void pa_pool_emptied(struct pa_slot *slot, struct pa_pool *pool, u64 room)
{
	if (slot->empty + pool->npools <= room) {
		slot->empty += pool->npools;
		return;
	}
	pa_pool_unlist(slot, pool);
	pa_pool_release(slot, pool);
}

/* How many empty pools may be kept, now that the owner itself has emptied one more. */
static u64 pa_slot_want_room(struct pa_slot *slot, const struct pa_pool *pool)
{
	if (PA_EMPTY_LOAN && slot->empty + pool->npools > pa_slot_room(slot) &&
	    !pa_slot_borrow(slot))
		slot->gone += pool->npools;
	return pa_slot_room(slot);
}

/**
 * pa_slot_free_event() - an owned pool's count of frees has run out
 * @slot: the entered slot
 * @pool: a pool of it whose @left has just become 0, or less: of a FULL pool if a
 *	signal handler's free came in between, of others if more blocks were freed
 *	than were out
 *
 * FULL: enough blocks came back, from now on it can be allocated from.
 * USABLE: all blocks are back; the pool returns to its arena, unless the slot
 * keeps it for the next time.
 * CURRENT: all blocks are back, and the pool stays, so that a program that
 * frees and allocates the only block of a class does not bounce a pool.
 */
void pa_slot_free_event(struct pa_slot *slot, struct pa_pool *pool)
{
	bool usable = pool->state == PA_POOL_USABLE;

	if (pool->state == PA_POOL_FULL) {
		pa_pool_wake(slot, pool);
		pa_pool_set_usable(slot, pool);
	}
	if (unlikely((s32)pool->left < 0)) {
		/* It was empty, and counted as such. */
		if (usable)
			pa_slot_uses_empty(slot, pool);
		pa_pool_damaged(pool);
		return;
	}
	/*
	 * @left alone: it has just been written, and a load that takes in more than that waits
	 * until the cache has it.
	 */
	if (pool->state == PA_POOL_USABLE && !READ_ONCE(pool->left)) {
		pa_pool_emptied(slot, pool, pa_slot_want_room(slot, pool));
		if (pa_kept_too_many(slot))
			pa_slot_release_kept(slot);
	}
}
