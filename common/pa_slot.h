/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Slots: the pool cache of a CPU (kernel) or a thread (userspace).
 *
 * A slot owns pools. Everything in it but the inbox belongs to whoever has
 * entered it: one context at a time. Allocation pops the slot's bin of the
 * class; free pushes on the bin, see pa_bin_keep() and pa_span_keep(), or on
 * the free list of the block's own pool. All blocks of a bin come from pools
 * that the slot owns, and count as out there.
 */
#ifndef PA_SLOT_H
#define PA_SLOT_H

#include "pa_remote.h"

/**
 * struct pa_bins - the hot part of a slot: per-CPU or thread-local
 * @slot: the slot whose bins these are; never NULL (pa_slot_none before the
 *	first allocation), so free compares it without a test
 * @bin: free blocks of each class up to PA_FAST_MAX, [0] is always NULL
 * @room: how many more local frees of each class go to its bin, times
 *	PA_ROOM_TAKEN, see pa_bin_keep(). Never more than 0 of a class that has no
 *	@bin here.
 */
struct pa_bins {
	struct pa_slot *slot;
	void *bin[PA_BINS];
	pa_room_t room[PA_ROOMS];
};

/**
 * struct pa_slot_class - what a slot has of one class
 * @current_pool: the pool that the bin is filled from, or NULL
 * @usable: further pools with blocks to give, most recently usable first
 * @pools: pools owned, full ones too
 * @shorts: refills in a row that brought few blocks
 * @blind: the bin was filled with few blocks, or had no room: blocks may be freed, and
 *	@unfreed does not tell
 * @filled: the bin was filled since pa_slot_release_stale()
 * @order: how sure it is that its blocks are freed in the order in which they were
 *	allocated, see pa_slot_note_order(); from PA_ORDER_ENOUGH on they go to their
 *	pools, if these are many
 * @unfreed: what the room of the bin is at its next refill if nothing is freed
 *	until then; of a class in order something else
 */
struct pa_slot_class {
	struct pa_pool *current_pool;
	struct pa_pool *usable;
	u32 pools;
	u8 shorts : 7;
	u8 blind : 1;
	u8 filled : 1;
	u8 order : 7;
	pa_room_t unfreed;
};

#define PA_ORDER_ENOUGH		64

/* Values of @dead: in use; let go in order; left behind by fork. */
#define PA_SLOT_LIVE		0
#define PA_SLOT_STOPPED		1
#define PA_SLOT_ABANDONED	2

/**
 * struct pa_slot - the cold part of a slot
 * @inbox: own pools that got their first remote free; pushed by any, taken by
 *	the owner, or by who finds it dead
 * @dead: no owner is going to look into @inbox again until it is cleared
 * @next_slot: on the list of all slots; constant
 * @id: number of the slot; constant
 * @next_free: for the platform: slots that wait for reuse
 * @parked: for the platform: waits for its next owner with its pools
 * @far_ticks: for the platform: what @ticks was when @far_bytes began. Any.
 * @far_bytes: for the platform: what others have freed since. Any.
 * @far_stamp: for the platform: and when that was. Any.
 * @ticks: for the platform: counts slow paths. Owner; others read it.
 * @looks: for the platform: the last look at idle memory it was part of. Owner.
 * @node: where new pools come from. Owner.
 * @bins: the hot part, NULL while the slot has no owner. Owner; statistics
 *	read it.
 * @full: pools with all blocks out. Owner.
 * @cls: per class. Owner.
 * @medium: bins of the medium classes above PA_FAST_MAX, the others' are unused.
 *	Owner; statistics read.
 * @kept: how many freed blocks went to a medium bin and have not been taken
 *	from it since. Owner.
 * @taken: was a block taken from a medium bin since pa_slot_release_stale()? Owner.
 * @kept_bytes: of all @kept. Owner.
 * @kept_most: what that may become. Owner.
 * @kept_pools: the most that pa_slot_used() was since what was kept went back. Owner.
 * @fresh_pools: pools that were never used before, taken since the last
 *	pa_slot_release_stale(); not those that were populated ahead. Owner.
 * @stale_mapped: arenas that were mapped then. Owner.
 * @given: how many blocks the current pool of a small class has given since it became
 *	that, if the class has many; wraps, if that goes on for long. Owner.
 * @fresh: the bin was filled by cutting the current pool's next blocks. Owner.
 * @pools: pools owned
 * @empty: those of them that are empty and wait on usable lists. Owner.
 * @unneeded: the least that @empty was since the last pa_slot_look(). Owner.
 * @surplus: how many of them nobody has needed between two looks. Owner.
 * @loans: of the node's, see PA_EMPTY_LOAN. Owner.
 * @gone: pools that the owner has emptied since the last pa_slot_look(), given back for
 *	want of room. Owner.
 * @missed: how many of them had to be taken again. Owner.
 * @refills: bins filled
 * @carves: refills that cut new blocks
 * @drains: pools taken from the inbox
 * @adoptions: pools taken from shared lists
 *
 * Slots are never unmapped while the heap exists: a freer that has read a
 * pool's owner may touch the inbox at any time later.
 */
struct pa_slot {
	struct pa_stack inbox;
	u32 dead;
	u32 id;
	struct pa_slot *next_slot;
	struct pa_slot *next_free;
	bool parked;
	u32 far_ticks;
	size_t far_bytes;
	u64 far_stamp;

	struct pa_node *node ____cacheline_aligned;
	u32 ticks;
	u32 looks;
	struct pa_bins *bins;
	struct pa_pool *full;
	bool fresh[PA_CLASSES];
	u16 given[PA_SMALL_CLASSES + 1];
	u64 pools;
	u64 empty;
	u64 unneeded;
	u64 surplus;
	u32 loans;
	u32 gone;
	u32 missed;
	u64 refills;
	u64 carves;
	u64 drains;
	u64 adoptions;
	struct pa_slot_class cls[PA_CLASSES];
	void *medium[PA_MEDIUM_CLASSES];
	u8 kept[PA_MEDIUM_CLASSES];
	bool taken[PA_MEDIUM_CLASSES];
	size_t kept_bytes;
	size_t kept_most;
	u64 kept_pools;
	u32 fresh_pools;
	u64 stale_mapped;
};

/*
 * Freed blocks of spans that stay in a slot's bins (PA_HOT_SPANS): a quarter of
 * what its pools have, but 512 KiB at least. Those of single pools are few.
 */
#define PA_KEPT_PART	4
#define PA_KEPT_LEAST	(512UL << 10)

/* Owns nothing; what @slot of unused bins points to. */
extern struct pa_slot pa_slot_none;

/* All slots ever registered, newest first. */
extern struct pa_slot *pa_slots;

void pa_slot_init(struct pa_slot *slot, struct pa_node *node, struct pa_bins *bins);
void pa_slot_register(struct pa_slot *slot);
void pa_slot_start(struct pa_slot *slot, struct pa_node *node, struct pa_bins *bins);
void pa_slot_stop(struct pa_slot *slot);
void pa_slot_park(struct pa_slot *slot, struct pa_bins *keep);
void pa_slot_resume(struct pa_slot *slot, struct pa_bins *bins);
void pa_slot_abandon(struct pa_slot *slot);

void *pa_slot_refill(struct pa_slot *slot, unsigned int cls);
void pa_slot_free_event(struct pa_slot *slot, struct pa_pool *pool);
bool pa_slot_drain_some(struct pa_slot *slot, unsigned int n);
void pa_slot_drain(struct pa_slot *slot);
bool pa_slot_flush_step(struct pa_slot *slot, unsigned int *step);
void pa_slot_flush(struct pa_slot *slot);
void pa_slot_release_kept(struct pa_slot *slot);
void pa_slot_release_all_empty(struct pa_slot *slot);
void pa_slot_look(struct pa_slot *slot);
void pa_slot_release_surplus(struct pa_slot *slot);
bool pa_slot_release_stale(struct pa_slot *slot);
void pa_pool_enqueue(struct pa_pool *pool);
struct pa_qnode *pa_shared_sweep_some(struct pa_slot *slot, struct pa_qnode *q);
void pa_shared_sweep(struct pa_slot *slot, struct pa_node *node);

/* The head of the free blocks that @slot hands out for class @cls. */
static __always_inline void **pa_slot_bin(struct pa_slot *slot, unsigned int cls)
{
	return cls < PA_BINS ? &slot->bins->bin[cls] : &slot->medium[cls - PA_FIRST_MEDIUM];
}

/*
 * Pops a block from a bin of the entered slot, NULL if it is empty. The next
 * block may be cold, and its link is read by the next call: fetch it now.
 */
static __always_inline void *pa_bin_pop(void **bin)
{
	void *p = *bin;

	if (likely(p)) {
		void *next = pa_load_link(p);

		PA_WRITE_OWN(*bin, next);
		__builtin_prefetch(next, 1, 3);
	}
	return p;
}

/*
 * Frees a block of a pool that the entered slot owns. The list comes before
 * the counter: a child forked in between has one block too many out, never
 * one too few.
 * Return: true if pa_slot_free_event() must be called. It is always true of a
 * span's further descriptors.
 */
static __always_inline bool pa_pool_push(struct pa_pool *pool, void *p)
{
	pa_store_link(p, pool->free);
	PA_WRITE_OWN(pool->free, p);
	return PA_DEC_OWN(pool->left);
}

/*
 * Keeps a freed block at hand, if its bin may take more: what was freed last
 * is still in the cache, and its pool's descriptor is not written. A refill says
 * how many a bin may take (pa_bin_filled()), and as many as are taken from it
 * may come back: so a long run of frees soon goes to the pools, each block to
 * its own, which keeps neighbours together.
 *
 * Allocation counts up and free counts down, each with one instruction. Between
 * two refills of the smallest classes the count may wrap: for a time the bin takes
 * more than it should, or nothing.
 *
 * A free counts a little more (PA_ROOM_GIVEN) than an allocation where idle
 * memory is looked after by slow paths, that is in userspace: a program that goes
 * on with what is in its bins would have none. So room is used up by 2048 pairs
 * of a class, then one free in 33 goes to its pool until the bin is empty, and then
 * comes a refill.
 */
static __always_inline bool pa_bin_keep(struct pa_bins *bins, unsigned int cls, void *p)
{
	if (unlikely(bins->room[cls] <= 0))
		return false;
	bins->room[cls] -= PA_ROOM_GIVEN;
	pa_store_link(p, bins->bin[cls]);
	PA_WRITE_OWN(bins->bin[cls], p);
	return true;
}

/* Takes a block from the bin of a class below PA_BINS, NULL if it is empty. */
static __always_inline void *pa_bin_take(struct pa_bins *bins, unsigned int cls)
{
	void *p = pa_bin_pop(&bins->bin[cls]);

	if (likely(p))
		bins->room[cls] += PA_ROOM_TAKEN;
	return p;
}

/*
 * The same for blocks of spans above PA_FAST_MAX, where PA_HOT_SPANS says so. They
 * are large: their bytes are counted, and all bins together have a limit.
 * @cls is PA_FIRST_KEPT or more. Return: false if there is no room.
 */
static __always_inline bool pa_span_keep(struct pa_slot *slot, unsigned int cls, void *p)
{
	unsigned int i = cls - PA_FIRST_MEDIUM;
	size_t bytes = slot->kept_bytes + pa_class_size(cls);

	if (bytes > slot->kept_most || slot->kept[i] >= pa_class[cls].room)
		return false;
	slot->kept_bytes = bytes;
	slot->kept[i]++;
	pa_store_link(p, slot->medium[i]);
	PA_WRITE_OWN(slot->medium[i], p);
	return true;
}

/* Was @p, a block of a span, freed just now? It is what the next allocation would get. */
static __always_inline bool pa_span_twice(const struct pa_slot *slot, const struct pa_pool *pool,
					  const void *p)
{
	return p == slot->medium[pool->cls - PA_FIRST_MEDIUM] || p == pool->free;
}

/* Takes a block of a medium class from its bin, NULL if that is empty. */
static __always_inline void *pa_medium_pop(struct pa_slot *slot, unsigned int cls)
{
	unsigned int i = cls - PA_FIRST_MEDIUM;
	void *p = pa_bin_pop(&slot->medium[i]);

	/* Nothing is written to pa_slot_none. */
	if (!PA_HOT_SPANS || !p)
		return p;
	slot->taken[i] = true;
	if (slot->kept[i]) {
		slot->kept[i]--;
		slot->kept_bytes -= pa_class_size(cls);
	}
	return p;
}

/* Frees a block of a pool that the entered slot owns; of a span, by its first descriptor. */
static __always_inline void pa_slot_free(struct pa_slot *slot,
					 struct pa_pool *pool, void *p)
{
	unsigned int cls = pool->cls;

	if (cls < PA_ROOMS && pa_bin_keep(slot->bins, cls, p))
		return;
	if (unlikely(pa_pool_push(pool, p)))
		pa_slot_free_event(slot, pool);
}

/* Allocates from the entered slot. NULL: the node has no room, grow it. */
static __always_inline void *pa_slot_alloc(struct pa_slot *slot, unsigned int cls)
{
	void *p = cls < PA_BINS ? pa_bin_take(slot->bins, cls) : pa_medium_pop(slot, cls);

	return likely(p) ? p : pa_slot_refill(slot, cls);
}

void pa_free_remote(struct pa_slot *slot, struct pa_pool *pool, void *p);

#endif
