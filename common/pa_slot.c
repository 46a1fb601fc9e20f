// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The slow paths of a slot: filling bins, and a slot's begin and end. See
 * common/README.md for the pool states and for the ordering rules R1..R7 that
 * the comments name.
 */
#include "pa_owner.h"

/* Never an owner, so nobody asks if it is @dead; and never written to: it takes no memory. */
struct pa_slot pa_slot_none;
struct pa_slot *pa_slots;

/* So many visits of pa_slot_flush_step() are for the inbox: others may refill it. */
#define PA_FLUSH_DRAINS	4096

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
 * next ones are a sixteenth of what the class has. That is not for blocks that
 * are larger than a page: who uses them may not touch all of it.
 */
#define PA_POPULATE_LEAST	(128UL << 10)
#define PA_POPULATE_MOST	(256UL << 10)
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
 * Memory that was never used costs page faults and makes the heap larger: it
 * comes last, after what is kept for other classes.
 */
static struct pa_pool *pa_pool_get(struct pa_slot *slot, unsigned int cls)
{
	unsigned int npools = pa_class[cls].npools;
	struct pa_pool *pool;

	do {
		pool = pa_arenas_get_used(slot->node, npools);
	} while (!pool && pa_slot_release_some_empty(slot));
	if (pool) {
		if (slot->gone >= npools) {
			slot->gone -= npools;
			slot->missed += npools;
		}
		pa_pool_sum_touched(pool);
		return pool;
	}
	pool = pa_arenas_get(slot->node, npools);
	if (pool) {
		pool->touched = 0;
		pa_slot_populate(slot, pool, cls);
	}
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

/* Are freed blocks in the bin of a medium class? */
static bool pa_slot_kept(const struct pa_slot *slot, unsigned int cls)
{
	return slot->kept[cls - PA_FIRST_MEDIUM];
}

/* The bin of a medium class is empty, or has been filled anew. */
static void pa_slot_forget_kept(struct pa_slot *slot, unsigned int cls)
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

/* Makes a list of @n neighbours. */
static void pa_link_blocks(char *p, size_t size, u32 n)
{
	for (; n > 4; n -= 4, p += 4 * size) {
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
	pa_link_blocks(first, size, n);
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
	WRITE_ONCE(pool->free, NULL);
	if (pa_pool_shall_recarve(c, pool)) {
		pool->touched = (u8)PA_POOL_PAGES;
		WRITE_ONCE(pool->carved, 0);
		return pa_pool_carve(slot, pool);
	}
	WRITE_ONCE(pool->left, pa_pool_whole(pool));
	return list;
}

static struct pa_pool *pa_slot_next_pool(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;

	if (!c->usable && !pa_stack_empty(&slot->inbox))
		pa_slot_drain_some(slot, PA_SLOW_STEP);
	pool = c->usable;
	if (pool) {
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
#define PA_ROOM_LEAST	(-(s32)((1u << (8 * sizeof(pa_room_t) - 1)) - 1) / PA_ROOM_TAKEN)

/*
 * A bin has got @n blocks: with those that are freed it shall hold no more than
 * @room of its class, or a quarter of that more than @n. While nothing is freed
 * between two refills of a class with many pools the heap grows, and what is taken
 * makes no room: a quarter it is when the bin is empty again. So a long run of frees
 * that follows does not leave one block of each of many pools in the bin.
 */
static void pa_bin_filled(struct pa_slot *slot, unsigned int cls, u32 n)
{
	pa_room_t *room = &slot->bins->room[cls];
	struct pa_slot_class *c = &slot->cls[cls];
	s32 most = pa_class[cls].room, least = most / 4, blocks = most - (s32)n;

	if (blocks < least)
		blocks = least;
	if (pa_class_is_large(c) && *room == c->unfreed)
		blocks = least - (s32)n;
	if (blocks < PA_ROOM_LEAST)
		blocks = PA_ROOM_LEAST;
	*room = (pa_room_t)(blocks * PA_ROOM_TAKEN);
	/* One of them is taken without being counted. */
	c->unfreed = (pa_room_t)(*room + (s32)(n - 1) * PA_ROOM_TAKEN);
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
			if (!pool)
				return NULL;
		}
		before = pool->left;
		p = pa_pool_take(slot, pool);
	} while (unlikely(!p));
	PA_WRITE_OWN(slot->refills, slot->refills + 1);
	c->filled = true;
	if (cls < PA_BINS)
		pa_bin_filled(slot, cls, pool->left - before);
	else
		pa_slot_forget_kept(slot, cls);
	pa_trace_refill(cls);
	next = pa_load_link(p);
	PA_WRITE_OWN(*pa_slot_bin(slot, cls), next);
	__builtin_prefetch(next, 1, 3);
	return p;
}

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

/* A bin is emptied: what comes next begins as with a new slot. */
static void pa_bin_forget(struct pa_slot *slot, unsigned int cls)
{
	slot->bins->room[cls] = 0;
	slot->cls[cls].unfreed = 0;
}

/* Is the current pool all that the slot has of a class? Then a bin has no others' blocks. */
static bool pa_slot_has_one_pool(const struct pa_slot *slot, unsigned int cls)
{
	const struct pa_slot_class *c = &slot->cls[cls];

	return c->current_pool && c->pools == c->current_pool->npools;
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

/* More blocks than any bin can hold: a list that is longer goes in a circle. */
#define PA_BIN_STEPS	PA_POOL_SIZE

/*
 * Returns the blocks of a class's bin to the pools they came from. The bin is
 * taken in one step: in userspace a signal handler may pop from it in between.
 */
static void pa_slot_empty_bin(struct pa_slot *slot, unsigned int cls)
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

/**
 * pa_slot_release_stale() - return what the slot caches of classes it no longer uses
 * @slot: the entered slot, whose node is going to get one more arena
 *
 * The blocks in a class's bin can be of as many pools. Classes whose bin was filled
 * since the last arena are left alone.
 *
 * Return: true if pools went back.
 */
bool pa_slot_release_stale(struct pa_slot *slot)
{
	u64 pools = slot->pools, mapped = READ_ONCE(slot->node->mapped);
	unsigned int cls;

	if (slot->stale_mapped == mapped)
		return false;
	slot->stale_mapped = mapped;
	for (cls = 1; cls < PA_BINS; cls++) {
		if (slot->cls[cls].filled)
			slot->cls[cls].filled = false;
		else
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

static void pa_slot_let_go_usable(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;

	while ((pool = c->usable)) {
		pa_list_del(&c->usable, pool);
		pa_pool_let_go(slot, pool);
	}
}

static void pa_slot_let_go_class(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;

	if (!c->pools) {
		pa_bin_forget(slot, cls);
		return;
	}
	pa_slot_empty_bin(slot, cls);
	pool = c->current_pool;
	if (pool) {
		WRITE_ONCE(c->current_pool, NULL);
		pa_pool_let_go(slot, pool);
	}
	pa_slot_let_go_usable(slot, cls);
}

static void pa_slot_let_go_full(struct pa_slot *slot)
{
	struct pa_pool *pool;

	while ((pool = slot->full)) {
		pa_pool_wake(slot, pool);
		pa_pool_let_go(slot, pool);
	}
}

/**
 * pa_slot_stop() - the owner of a slot goes away (thread exit, CPU offline)
 * @slot: the entered slot; not to be entered again before pa_slot_start()
 *
 * All pools go back to their arenas or to the shared lists. Rule R5: @dead is
 * set after every pool has lost its owner; then a full barrier; then the last
 * look into the inbox. Pairs with pa_pool_post().
 */
void pa_slot_stop(struct pa_slot *slot)
{
	unsigned int cls;

	pa_slot_drain(slot);
	for (cls = 1; cls < PA_CLASSES; cls++)
		pa_slot_let_go_class(slot, cls);
	pa_slot_let_go_full(slot);
	pa_slot_forget_empty(slot);
	pa_bins_lock();
	WRITE_ONCE(slot->bins, NULL);
	pa_bins_unlock();
	/* No pool has this owner any more when it reads as dead. */
	smp_store_release(&slot->dead, PA_SLOT_STOPPED);
	/* @dead before the last look. Pairs with pa_pool_post(). */
	smp_mb();
	pa_inbox_pass_on(slot);
}

/* Hands the bins of an entered slot from one place to another. */
static void pa_bins_move(struct pa_slot *slot, struct pa_bins *from, struct pa_bins *to)
{
	unsigned int cls;

	pa_bins_lock();
	/* In one step each: a signal handler may pop from a bin in between. */
	for (cls = 1; cls < PA_FIRST_MEDIUM; cls++)
		if (READ_ONCE(from->bin[cls]))
			WRITE_ONCE(to->bin[cls], xchg(&from->bin[cls], NULL));
	WRITE_ONCE(slot->bins, to);
	pa_bins_unlock();
}

/* Of a bin, leaves the current pool's blocks; the others go to their pools. */
static void pa_slot_sift_bin(struct pa_slot *slot, unsigned int cls)
{
	void **bin = pa_slot_bin(slot, cls), *p, *next, *stay = NULL;
	u32 left = PA_BIN_STEPS;

	pa_bin_forget(slot, cls);
	for (p = xchg(bin, NULL); p && left; p = next, left--) {
		struct pa_pool *pool = pa_desc_of(p);

		next = pa_load_link(p);
		if (pool == slot->cls[cls].current_pool) {
			pa_store_link(p, stay);
			stay = p;
		} else {
			pa_slot_free(slot, pool, p);
		}
	}
	PA_WRITE_OWN(*bin, stay);
}

/**
 * pa_slot_park() - the owner of a slot goes away, and another one is likely
 * @slot: the entered slot
 * @keep: empty bins that live as long as the slot
 *
 * The current pools of the small classes stay, and what the bins have of them,
 * for the next owner. All other pools are let go. The slot is not dead: what
 * others free into its pools waits in the inbox, for the next owner or for
 * pa_slot_stop().
 *
 * Rule R7: the platform hands the slot on under a lock.
 */
void pa_slot_park(struct pa_slot *slot, struct pa_bins *keep)
{
	unsigned int cls;

	pa_slot_drain(slot);
	for (cls = 1; cls < PA_FIRST_MEDIUM; cls++) {
		if (pa_slot_has_one_pool(slot, cls))
			pa_bin_forget(slot, cls);
		else if (READ_ONCE(slot->bins->bin[cls]))
			pa_slot_sift_bin(slot, cls);
		if (slot->cls[cls].usable)
			pa_slot_let_go_usable(slot, cls);
	}
	for (; cls < PA_CLASSES; cls++)
		pa_slot_let_go_class(slot, cls);
	pa_slot_let_go_full(slot);
	pa_slot_forget_empty(slot);
	pa_bins_move(slot, slot->bins, keep);
}

/**
 * pa_slot_resume() - give a parked slot to its new owner
 * @slot: the slot. What its last owner did to it comes before this call (R7).
 * @bins: its hot part; all bins are empty
 */
void pa_slot_resume(struct pa_slot *slot, struct pa_bins *bins)
{
	pa_bins_move(slot, slot->bins, bins);
	bins->slot = slot;
}

/**
 * pa_slot_abandon() - the owner of a slot is gone without a word (fork)
 * @slot: a slot that no running thread owns and that may be in any state
 *
 * Its pools keep it as their owner until a block of theirs is freed; then
 * they can be adopted. The slot is never used again. What it held in its bins
 * stays out.
 *
 * Context: the forked child, before it has a second thread.
 */
void pa_slot_abandon(struct pa_slot *slot)
{
	WRITE_ONCE(slot->bins, NULL);
	WRITE_ONCE(slot->dead, PA_SLOT_ABANDONED);
	if (slot->loans)
		slot->node->loans += slot->loans;
	slot->loans = 0;
	pa_inbox_pass_on(slot);
}

/**
 * pa_slot_init() - make a slot of zeroed memory, without an owner
 * @slot: the slot
 * @node: its node
 * @bins: its bins, or NULL if pa_slot_start() will tell
 */
void pa_slot_init(struct pa_slot *slot, struct pa_node *node, struct pa_bins *bins)
{
	slot->dead = PA_SLOT_STOPPED;
	if (bins)
		pa_slot_start(slot, node, bins);
}

/**
 * pa_slot_register() - show a slot to the statistics
 * @slot: an initialised slot that is never going to be unmapped
 *
 * Context: any. Lock-free.
 */
void pa_slot_register(struct pa_slot *slot)
{
	struct pa_slot *head = READ_ONCE(pa_slots);

	do {
		slot->next_slot = head;
		slot->id = head ? head->id + 1 : 0;
	} while (!try_cmpxchg(&pa_slots, &head, slot));
}

/**
 * pa_slot_start() - give a slot to a new owner
 * @slot: a slot after pa_slot_init() or pa_slot_stop()
 * @node: where its pools will come from
 * @bins: its hot part; all bins are empty
 */
void pa_slot_start(struct pa_slot *slot, struct pa_node *node, struct pa_bins *bins)
{
	slot->node = node;
	slot->kept_pools = 0;
	bins->slot = slot;
	WRITE_ONCE(slot->bins, bins);
	/* A freer that sees it alive finds it whole. Pairs with pa_pool_post(). */
	smp_store_release(&slot->dead, 0);
}
