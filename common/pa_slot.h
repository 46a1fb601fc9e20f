/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Slots: the pool cache of a CPU (kernel) or a thread (userspace).
 *
 * A slot owns pools. Everything in it but the inbox belongs to whoever has
 * entered it: one context at a time. Allocation pops the slot's bin of the
 * class; free pushes on the free list of the block's own pool, but some frees
 * go to the bin, see pa_bin_keep() and pa_span_keep(). All blocks of a bin
 * come from pools that the slot owns, and count as out there.
 */
#ifndef PA_SLOT_H
#define PA_SLOT_H

#include "pa_remote.h"

/**
 * struct pa_bins - the hot part of a slot: per-CPU or thread-local
 * @slot: the slot whose bins these are; never NULL (pa_slot_none before the
 *	first allocation), so free compares it without a test
 * @bin: free blocks of each small class, [0] is always NULL. Above them, up to
 *	PA_FAST_MAX: side bins, [i] has blocks of the medium class of 8 * i
 *	bytes, for the fast path of requests of that size
 */
struct pa_bins {
	struct pa_slot *slot;
	void *bin[PA_FAST_MAX / PA_SMALL_STEP + 1];
};

/**
 * struct pa_slot_class - what a slot has of one class
 * @current_pool: the pool that the bin is filled from, or NULL
 * @usable: further pools with blocks to give, most recently usable first
 * @pools: pools owned, full ones too
 * @shorts: refills in a row that brought few blocks
 */
struct pa_slot_class {
	struct pa_pool *current_pool;
	struct pa_pool *usable;
	u32 pools;
	u8 shorts;
};

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
 * @node: where new pools come from. Owner.
 * @bins: the hot part, NULL while the slot has no owner. Owner; statistics
 *	read it.
 * @full: pools with all blocks out. Owner.
 * @cls: per class. Owner.
 * @medium: bins of the medium classes. Owner; statistics read.
 * @kept: how many freed blocks went to a medium bin and have not been taken
 *	from it since. Owner.
 * @kept_bytes: of all @kept. Owner.
 * @kept_most: what that may become. Owner.
 * @kept_pools: the most that @pools was, at refills, since they went back. Owner.
 * @room: how many more local frees of a small class go to its bin. Owner.
 * @fresh: the bin was filled by cutting the current pool's next blocks. Owner.
 * @pools: pools owned
 * @empty: those of them that are empty and wait on usable lists. Owner.
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
	struct pa_bins *bins;
	struct pa_pool *full;
	u8 room[PA_CLASSES];
	bool fresh[PA_CLASSES];
	u64 pools;
	u64 empty;
	u64 refills;
	u64 carves;
	u64 drains;
	u64 adoptions;
	struct pa_slot_class cls[PA_CLASSES];
	void *medium[PA_MEDIUM_CLASSES];
	u8 kept[PA_MEDIUM_CLASSES];
	size_t kept_bytes;
	size_t kept_most;
	u64 kept_pools;
};

/*
 * Freed blocks of spans that stay in a slot's bins (PA_HOT_SPANS): a quarter of
 * what its pools have, but 512 KiB at least.
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

void *pa_slot_refill(struct pa_slot *slot, unsigned int cls, void **bin);
void pa_slot_free_event(struct pa_slot *slot, struct pa_pool *pool);
bool pa_slot_drain_some(struct pa_slot *slot, unsigned int n);
void pa_slot_drain(struct pa_slot *slot);
bool pa_slot_flush_step(struct pa_slot *slot, unsigned int *step);
void pa_slot_flush(struct pa_slot *slot);
void pa_slot_release_kept(struct pa_slot *slot);
void pa_pool_enqueue(struct pa_pool *pool);
struct pa_qnode *pa_shared_sweep_some(struct pa_slot *slot, struct pa_qnode *q);
void pa_shared_sweep(struct pa_slot *slot, struct pa_node *node);

/* The head of the free blocks that @slot hands out for class @cls. */
static __always_inline void **pa_slot_bin(struct pa_slot *slot, unsigned int cls)
{
	return cls < PA_FIRST_MEDIUM ? &slot->bins->bin[cls] :
				       &slot->medium[cls - PA_FIRST_MEDIUM];
}

/* Bins of a class: its own, and for a medium class up to PA_FAST_MAX side bins. */
static __always_inline unsigned int pa_class_bins(unsigned int cls)
{
	return cls < PA_FIRST_MEDIUM || cls >= PA_FIRST_SIDELESS ? 1 : 1 + PA_SIDE_BINS;
}

/* The @i-th of them; the first one is pa_slot_bin(). */
static __always_inline void **pa_slot_bin_at(struct pa_slot *slot, unsigned int cls,
					     unsigned int i)
{
	if (!i)
		return pa_slot_bin(slot, cls);
	return &slot->bins->bin[PA_SMALL_CLASSES + (cls - PA_FIRST_MEDIUM) * PA_SIDE_BINS + i];
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
 * Return: true if pa_slot_free_event() must be called.
 */
static __always_inline bool pa_pool_push(struct pa_pool *pool, void *p)
{
	pa_store_link(p, pool->free);
	PA_WRITE_OWN(pool->free, p);
	return PA_DEC_OWN(pool->left);
}

/* Where the bin of @cls would be; of a medium class it is only an address. */
static __always_inline void **pa_bin_addr(void **bins, unsigned int cls)
{
	return (void **)((char *)bins + cls * sizeof(void *));
}

/*
 * Keeps a freed block at hand, if its bin may take more: what was freed last
 * is still in the cache, and its pool's descriptor is not written. Room is
 * made only by a refill, so a long run of frees soon goes to the pools, each
 * block to its own: that keeps neighbours together.
 *
 * @bin is the bin of @cls, which must be small unless it has no room.
 */
static __always_inline bool pa_bin_keep(struct pa_slot *slot, unsigned int cls,
					void **bin, void *p)
{
	if (!PA_HOT_ROOM || !slot->room[cls])
		return false;
	slot->room[cls]--;
	pa_store_link(p, *bin);
	PA_WRITE_OWN(*bin, p);
	return true;
}

/*
 * The same for blocks of spans, where PA_HOT_SPANS says so. A span holds few
 * blocks, so a refill brings few, and costs much: the bin is a stack of the
 * blocks freed last, and only what it has no room for goes to the spans.
 * @cls is PA_FIRST_SPAN or more. Return: false if there is no room.
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

/*
 * The heap has become half of what it was: blocks that are kept would hold
 * pools, and arenas, that are otherwise empty.
 */
static inline bool pa_kept_too_many(const struct pa_slot *slot)
{
	return PA_HOT_SPANS && slot->kept_bytes && slot->pools < slot->kept_pools / 2;
}

/* Takes a block of a medium class from its bin, NULL if that is empty. */
static __always_inline void *pa_medium_pop(struct pa_slot *slot, unsigned int cls)
{
	unsigned int i = cls - PA_FIRST_MEDIUM;
	void *p = pa_bin_pop(&slot->medium[i]);

	if (PA_HOT_SPANS && p && slot->kept[i]) {
		slot->kept[i]--;
		slot->kept_bytes -= pa_class_size(cls);
	}
	return p;
}

/* Frees a block of a pool that the entered slot owns. */
static __always_inline void pa_slot_free(struct pa_slot *slot,
					 struct pa_pool *pool, void *p)
{
	unsigned int cls = pool->cls;

	if (pa_bin_keep(slot, cls, pa_bin_addr(slot->bins->bin, cls), p))
		return;
	if (unlikely(pa_pool_push(pool, p)))
		pa_slot_free_event(slot, pool);
}

/* Allocates from the entered slot. NULL: the node has no room, grow it. */
static __always_inline void *pa_slot_alloc(struct pa_slot *slot, unsigned int cls)
{
	void *p = pa_bin_pop(pa_slot_bin(slot, cls));

	return likely(p) ? p : pa_slot_refill(slot, cls, pa_slot_bin(slot, cls));
}

void pa_free_remote(struct pa_slot *slot, struct pa_pool *pool, void *p);

#endif
