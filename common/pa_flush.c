// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What a slot has at hand goes back: blocks in bins to their pools, pools that
 * this empties to their arenas.
 */
#include "pa_owner.h"

/* So many visits of pa_slot_flush_step() are for the inbox: others may refill it. */
#define PA_FLUSH_DRAINS	4096

/*
 * What is left in a bin that was filled by cutting new blocks, and that has taken
 * no freed ones, is the end of the current pool's carved part: it becomes uncarved
 * again, without a walk over memory that perhaps was never used. Nobody counts
 * what the fast paths put into the bins below PA_BINS.
 */
static bool pa_slot_uncarve(struct pa_slot *slot, unsigned int cls, const void *p)
{
	struct pa_pool *pool = slot->cls[cls].current_pool;
	u32 index;

	if (cls < PA_BINS || !slot->fresh[cls] || pa_slot_kept(slot, cls) || !pool ||
	    !pa_pool_holds(pool, p))
		return false;
	index = pa_class_index(cls, (size_t)((const char *)p - pa_pool_base(pool)));
	WRITE_ONCE(pool->left, pool->left - (pool->carved - index));
	WRITE_ONCE(pool->carved, (u16)index);
	return true;
}

/*
 * Returns a list of blocks, all of the current pool, in one piece.
 * Return: false if that has fewer out: one was freed twice.
 */
static bool pa_slot_splice(struct pa_slot *slot, unsigned int cls, void *list)
{
	struct pa_pool *pool = slot->cls[cls].current_pool;
	void *last = list, *next;
	u32 n = 1;

	for (; n <= pool->left && (next = pa_load_link(last)); last = next)
		n++;
	if (n > pool->left)
		return false;
	pa_store_link(last, pool->free);
	PA_WRITE_OWN(pool->free, list);
	WRITE_ONCE(pool->left, pool->left - n);
	return true;
}

/*
 * Returns the blocks of a class's bin to the pools they came from. The bin is
 * taken in one step: in userspace a signal handler may pop from it in between.
 */
void pa_slot_empty_bin(struct pa_slot *slot, unsigned int cls)
{
	void **bin = pa_slot_bin(slot, cls);
	u32 left = PA_BIN_STEPS;
	void *p, *next;

	pa_bin_forget(slot, cls);
	p = READ_ONCE(*bin) ? xchg(bin, NULL) : NULL;
	if (p && (pa_slot_uncarve(slot, cls, p) ||
		  (pa_slot_has_one_pool(slot, cls) && pa_slot_splice(slot, cls, p))))
		p = NULL;
	for (; p && left; p = next, left--) {
		next = pa_load_link(p);
		pa_slot_free(slot, pa_pool_head(pa_desc_of(p)), p);
	}
	if (cls >= PA_BINS)
		pa_slot_forget_kept(slot, cls);
}

/**
 * pa_slot_release_kept() - return the freed blocks that a slot kept at hand
 * @slot: the entered slot
 */
void pa_slot_release_kept(struct pa_slot *slot)
{
	unsigned int cls;

	slot->kept_pools = pa_slot_used(slot);
	for (cls = 1; cls < PA_CLASSES; cls++)
		if (cls < PA_BINS || pa_slot_kept(slot, cls))
			pa_slot_empty_bin(slot, cls);
}

/* Return: true if there is more to do. */
static bool pa_slot_flush_class(struct pa_slot *slot, unsigned int cls)
{
	unsigned int most = PA_EMPTY_STEP;
	struct pa_pool *pool;

	pa_slot_empty_bin(slot, cls);
	pa_slot_release_empty(slot, cls, &most);
	pool = slot->cls[cls].current_pool;
	if (pool && !pool->left) {
		pa_pool_unlist(slot, pool);
		pa_pool_release(slot, pool);
	}
	return !most;
}

/* Was a bin filled, or a block taken from one that knows of it, since this was last asked? */
static bool pa_class_was_used(struct pa_slot *slot, unsigned int cls)
{
	bool *taken = cls < PA_BINS ? NULL : &slot->taken[cls - PA_FIRST_MEDIUM];
	bool used = slot->cls[cls].filled || (taken && *taken);

	slot->cls[cls].filled = false;
	if (taken)
		*taken = false;
	return used;
}

/**
 * pa_slot_release_stale() - return what the slot caches of classes it no longer uses
 * @slot: the entered slot, which is going to use memory for the first time
 *
 * The blocks in a class's bin can be of as many pools. Classes whose bin was filled
 * since the last time are left alone, and those of spans from whose bin any block
 * was taken: what blocks that grow together leave behind, size by size, is in many
 * spans, and the largest part of a heap.
 *
 * Return: true if pools went back; false, too, if since the last time the slot has taken
 * no memory that was never used, and the node has got no arena.
 */
bool pa_slot_release_stale(struct pa_slot *slot)
{
	u64 pools = slot->pools, mapped = READ_ONCE(slot->node->mapped);
	unsigned int cls;

	if (!slot->fresh_pools && slot->stale_mapped == mapped)
		return false;
	slot->fresh_pools = 0;
	slot->stale_mapped = mapped;
	for (cls = 1; cls < PA_CLASSES; cls++) {
		if (pa_class_was_used(slot, cls))
			continue;
		while (slot->cls[cls].pools && pa_slot_flush_class(slot, cls))
			;
	}
	return slot->pools < pools;
}

/**
 * pa_slot_flush_step() - do a part of pa_slot_flush()
 * @slot: the entered slot; it may be left between the steps
 * @step: 0 before the first one
 *
 * Return: true if there is more to do.
 */
bool pa_slot_flush_step(struct pa_slot *slot, unsigned int *step)
{
	if (*step < PA_FLUSH_DRAINS) {
		if (!pa_slot_drain_some(slot, PA_SLOW_STEP))
			*step = PA_FLUSH_DRAINS - 1;
	} else if (pa_slot_flush_class(slot, *step - PA_FLUSH_DRAINS + 1)) {
		return true;
	}
	return ++*step < PA_FLUSH_DRAINS + PA_CLASSES - 1;
}

/**
 * pa_slot_flush() - return what the slot caches, but keep owning its pools
 * @slot: the entered slot
 *
 * Bins are emptied and wholly empty pools go back to their arenas.
 */
void pa_slot_flush(struct pa_slot *slot)
{
	unsigned int step = 0;

	while (pa_slot_flush_step(slot, &step))
		;
}
