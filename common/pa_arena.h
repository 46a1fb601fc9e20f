/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Arenas: 64 pools, naturally aligned, the unit taken from and given back to
 * the system.
 *
 *     arena base (aligned to its size)
 *     | pool 0                                   | pool 1 | ... | pool 63 |
 *     | struct pa_arena | 63 x struct pa_pool    | blocks | ... | blocks  |
 *
 * The masks of an arena are changed by single atomic operations. Which list
 * an arena is on, and everything else that is not a mask, is changed under
 * the lock of its node. Readers (statistics, walk) hold no lock: they pin.
 */
#ifndef PA_ARENA_H
#define PA_ARENA_H

#include "pa_class.h"
#include "pa_stack.h"

struct pa_slot;

#define PA_MAGIC_ARENA	0x50414152u	/* an arena of pools */
#define PA_MAGIC_LARGE	0x50414c47u	/* a mapping of its own (userspace) */
#define PA_MAGIC_GONE	0x50414744u	/* left the heap, about to be unmapped */

/* Set in @pins once the arena has left the heap: no new pin is possible. */
#define PA_PINS_GONE	0x8000u

/**
 * struct pa_arena - descriptor 0 of an arena: the arena itself
 * @free: bit i is set when pool i holds no blocks and may be taken
 * @dirty: bit i is set when pool i is free, but its memory may be resident
 * @next: on the list of its fullness, node lock
 * @prev: on the list of its fullness, node lock
 * @all_next: on the list of all arenas of the node; written under the node
 *	lock, read under RCU
 * @all_prev: likewise, only used under the node lock
 * @magic: what kind of mapping this is
 * @pins: walkers that stand on this arena, or PA_PINS_GONE
 * @nid: its NUMA node, constant
 * @nfree: number of bits in @free as the lists know it, node lock
 * @aged: for the platform: those of @dirty that were so at the last look; or,
 *	where pools can go alone (PA_POOLS_GO), those that are not there
 */
struct pa_arena {
	atomic64_t free;
	atomic64_t dirty;
	struct pa_arena *next;
	struct pa_arena *prev;
	struct pa_arena __rcu *all_next;
	struct pa_arena *all_prev;
	u32 magic;
	u16 pins;
	u8 nid;
	u8 nfree;
	atomic64_t aged;
};

/**
 * enum pa_pool_state - see "pool states" in common/README.md
 * @PA_POOL_FREE: its bit in the arena's mask is set; nobody's
 * @PA_POOL_CURRENT: owned, the one its slot allocates this class from
 * @PA_POOL_USABLE: owned, has blocks to give, on the slot's usable list
 * @PA_POOL_FULL: owned, all blocks but a few are out, on the slot's full list
 * @PA_POOL_LOOSE: without an owner: on a shared list, or full and waiting for
 *	the first remote free to put it there
 */
enum pa_pool_state {
	PA_POOL_FREE,
	PA_POOL_CURRENT,
	PA_POOL_USABLE,
	PA_POOL_FULL,
	PA_POOL_LOOSE,
};

/**
 * struct pa_pool - descriptor of a pool, or of a span by its first pool
 * @owner: the slot that may touch the owner's fields, NULL if none; see
 *	pa_owner_word(). Set by who holds the pool dequeued, cleared by the
 *	owner; read by any freer. In the descriptors of a span's further pools
 *	NULL, or the same, see pa_pool_set_owner().
 * @free: blocks freed by the owner, linked through their first word. Owner.
 * @left: local frees until something happens (pa_slot_free_event()): the
 *	number of blocks that are out, but while the pool is FULL what is left
 *	of its class's @wake, see pa_pool_out(). 0 in a span's further
 *	descriptors. Owner.
 * @carved: blocks that have been carved so far. The rest was never used; the
 *	carver may have touched it. Owner.
 * @cls: size class, constant while the pool is not free
 * @state: enum pa_pool_state. Owner, or who holds the pool dequeued.
 * @remote: blocks freed by others and the QUEUED bit, see pa_remote.h. Any.
 * @qlink: on its owner's inbox or on a shared list. Who set QUEUED.
 * @next: on its owner's usable or full list. Owner.
 * @prev: likewise; the first one's is the last one
 * @capacity: blocks that fit
 * @npools: pools of the run, 0 in further descriptors of a span
 * @back: how many descriptors the first one of the span lies before this
 * @seen: what @left was at the last look for idle memory. Owner.
 * @holes: pages that were given back, see pa_hole.h. Owner.
 * @touched: so many pages from its beginning on have memory, and were used before:
 *	carving need not spare them. Owner; of a free pool stale if it was purged.
 */
struct pa_pool {
	struct pa_slot *owner;
	void *free;
	u32 left;
	u16 carved;
	u8 cls;
	u8 state;
	u64 remote;
	struct pa_qnode qlink;
	struct pa_pool *next;
	struct pa_pool *prev;
	u16 capacity;
	u8 npools;
	u8 back;
	u16 seen;
	u8 holes;
	u8 touched;
};

static_assert(sizeof(struct pa_arena) == PA_DESC_SIZE, "one line per arena");
static_assert(sizeof(struct pa_pool) == PA_DESC_SIZE, "one line per pool");

struct pa_node;

/* The arena (or large mapping) that @p lies in. */
static __always_inline struct pa_arena *pa_arena_of(const void *p)
{
	uintptr_t base = (uintptr_t)p & ~(uintptr_t)PA_ARENA_MASK;

	return (struct pa_arena *)(base + (base >> (PA_POOL_SHIFT - PA_DESC_SHIFT) & PA_DESC_MASK));
}

/* The first byte of an arena's memory. */
static __always_inline char *pa_arena_base(const struct pa_arena *arena)
{
	return (char *)((uintptr_t)arena & ~(uintptr_t)PA_ARENA_MASK);
}

/* How far into its arena the descriptor of the pool that @p lies in is. */
static __always_inline uintptr_t pa_desc_offset(const void *p)
{
	return (uintptr_t)p >> (PA_POOL_SHIFT - PA_DESC_SHIFT) & PA_DESC_MASK;
}

/* The descriptor of the pool that @p lies in; of a span, any of them. */
static __always_inline struct pa_pool *pa_desc_of(const void *p)
{
	return (struct pa_pool *)(((uintptr_t)p & ~(uintptr_t)PA_ARENA_MASK) + pa_desc_offset(p));
}

/* The first descriptor of the span that descriptor @d belongs to. */
static __always_inline struct pa_pool *pa_pool_head(struct pa_pool *d)
{
	return d - READ_ONCE(d->back);
}

static __always_inline unsigned int pa_pool_index(const struct pa_pool *pool)
{
	return ((uintptr_t)pool & (PA_DESC_BYTES - 1)) >> PA_DESC_SHIFT;
}

/* The first byte of a pool's memory. */
static __always_inline char *pa_pool_base(const struct pa_pool *pool)
{
	return (char *)((uintptr_t)pool & ~(uintptr_t)PA_ARENA_MASK) +
	       ((size_t)pa_pool_index(pool) << PA_POOL_SHIFT);
}

/* The memory of an arena: all of PA_ARENA_SIZE, unless pools of it are missing. */
static inline size_t pa_arena_bytes(const struct pa_arena *arena)
{
	return (size_t)(pa_arena_pools(arena) + 1) << PA_POOL_SHIFT;
}

static __always_inline struct pa_pool *pa_arena_desc(struct pa_arena *arena,
						     unsigned int index)
{
	return (struct pa_pool *)arena + index;
}

/*
 * Blocks of the pool that are not on its own list. While it is FULL, @left
 * counts down from its class's @wake, or from less by the blocks that were free
 * when it fell asleep (pa_pool_set_full()): the difference stays the same.
 */
static inline u32 pa_pool_out(const struct pa_pool *pool, unsigned int state)
{
	u32 left = READ_ONCE(pool->left);

	if (state == PA_POOL_FULL)
		left += (u32)READ_ONCE(pool->capacity) - pa_class[READ_ONCE(pool->cls)].wake;
	return left;
}

/* True if @p can be a block of the pool: in its carved part, at a start. */
static inline bool pa_pool_holds(const struct pa_pool *pool, const void *p)
{
	size_t off = (size_t)((const char *)p - pa_pool_base(pool));
	unsigned int cls = READ_ONCE(pool->cls);
	u32 index;

	if (off >= READ_ONCE(pool->npools) * PA_POOL_SIZE)
		return false;
	index = pa_class_index(cls, off);
	return index < READ_ONCE(pool->carved) &&
	       index * pa_class_size(cls) == off;
}

/*
 * Where freed blocks of spans stay in bins (PA_HOT_SPANS), @owner of a span whose
 * class is above PA_FAST_MAX has its lowest bit set: the fast path of free, which
 * compares whole words, leaves them to a slower one.
 */
#define PA_OWNER_TAG	1UL

static __always_inline struct pa_slot *pa_owner_word(struct pa_slot *slot, unsigned int cls)
{
	if (!PA_HOT_SPANS || cls < PA_FIRST_KEPT)
		return slot;
	return (struct pa_slot *)((uintptr_t)slot | PA_OWNER_TAG);
}

static __always_inline struct pa_slot *pa_owner_slot(struct pa_slot *word)
{
	return (struct pa_slot *)((uintptr_t)word & ~PA_OWNER_TAG);
}

/*
 * Sets @owner, or clears it: of a span up to PA_FAST_MAX in all its descriptors,
 * and their class, since the fast path of free looks at that of the pool that a
 * block begins in. Only an owner finds itself there, so there is no order to keep.
 */
static inline void pa_pool_set_owner(struct pa_pool *pool, struct pa_slot *word)
{
	unsigned int i, npools = PA_HOT_SPANS && pool->cls < PA_BINS ? pool->npools : 1;

	for (i = 1; i < npools; i++) {
		WRITE_ONCE(pool[i].cls, pool->cls);
		WRITE_ONCE(pool[i].owner, word);
	}
	/* The owner's last word, if it lets go. Pairs with pa_pool_post() and pa_free_remote(). */
	smp_store_release(&pool->owner, word);
}

/* The slot that owns the pool, or NULL. */
static __always_inline struct pa_slot *pa_pool_owner(const struct pa_pool *pool)
{
	return pa_owner_slot(READ_ONCE(pool->owner));
}

u64 pa_arena_hold(struct pa_arena *arena, u64 want);
void pa_arena_unhold(struct pa_arena *arena, u64 held);
bool pa_arenas_grow(struct pa_node *node, pa_gfp_t gfp, unsigned int npools);
struct pa_pool *pa_arenas_get(struct pa_node *node, unsigned int npools, unsigned int *fresh);
struct pa_pool *pa_arenas_get_used(struct pa_node *node, unsigned int npools);
void pa_arenas_populate(struct pa_pool *pool, unsigned int npools);
void pa_arenas_put(struct pa_pool *pool);
size_t pa_arenas_release(struct pa_node *node, unsigned int keep);
size_t pa_arenas_shed(struct pa_node *node);
size_t pa_arenas_release_some(struct pa_node *node, unsigned int keep, unsigned int most);
unsigned int pa_arenas_unused(struct pa_node *node);
struct pa_arena *pa_arenas_next(struct pa_node *node, struct pa_arena *arena);
struct pa_arena *pa_arenas_step(struct pa_node *node, struct pa_arena *arena);
void pa_arena_unpin(struct pa_arena *arena);
void pa_arenas_forked(struct pa_node *node);
void pa_node_reset_peaks(struct pa_node *node);

#endif
