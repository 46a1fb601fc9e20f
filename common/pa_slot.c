// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The slow paths of a slot. See common/README.md for the pool states and for
 * the ordering rules R1..R6 that the comments name.
 */
#include "pa_hole.h"
#include "pa_node.h"

struct pa_slot pa_slot_none = { .dead = 1 };
struct pa_slot *pa_slots;

/*
 * Pools that one visit of a slot takes care of, at most: in the kernel nothing
 * else runs on the CPU meanwhile. A refill needs one, so the inbox gets empty.
 */
#define PA_SLOW_STEP	64

/* So many visits of pa_slot_flush_step() are for the inbox: others may refill it. */
#define PA_FLUSH_DRAINS	4096

/* Bytes that one refill carves at most: the page it is going to touch. */
#define PA_CARVE_BYTES	4096

static void pa_list_add(struct pa_pool **head, struct pa_pool *pool)
{
	pool->prev = NULL;
	pool->next = *head;
	if (*head)
		(*head)->prev = pool;
	*head = pool;
}

static void pa_list_del(struct pa_pool **head, struct pa_pool *pool)
{
	if (pool->prev)
		pool->prev->next = pool->next;
	else
		*head = pool->next;
	if (pool->next)
		pool->next->prev = pool->prev;
}

/* Carved blocks that are somewhere: out, or on the pool's list. */
static u32 pa_pool_whole(const struct pa_pool *pool)
{
	return pool->carved - pa_hole_blocks(pool, pool->holes);
}

/* True if the pool can give a block without waiting for a free. */
static bool pa_pool_has_room(const struct pa_pool *pool)
{
	return pool->free || pool->carved < pool->capacity || pool->holes;
}

/*
 * From here on @left counts down to the wake-up. A pool that has less free
 * than that sleeps until the rest is there.
 */
static void pa_pool_set_full(struct pa_slot *slot, struct pa_pool *pool)
{
	WRITE_ONCE(pool->state, PA_POOL_FULL);
	WRITE_ONCE(pool->left, pa_class[pool->cls].wake -
			       (pool->free ? pool->capacity - pool->left : 0));
	pa_list_add(&slot->full, pool);
}

static void pa_pool_set_usable(struct pa_slot *slot, struct pa_pool *pool)
{
	WRITE_ONCE(pool->state, PA_POOL_USABLE);
	pa_list_add(&slot->cls[pool->cls].usable, pool);
}

/*
 * Should a refill look elsewhere? Yes if the pool has nothing to give, or only
 * the few blocks that came back since the last refill while a pool waits that
 * has more.
 */
static bool pa_pool_spent(const struct pa_slot_class *c, const struct pa_pool *pool)
{
	if (pool->carved < pool->capacity || pool->holes)
		return false;
	if (!pool->free)
		return true;
	return c->usable && pool->capacity - pool->left < pa_class[pool->cls].wake;
}

/* A FULL pool leaves the full list; @left is the true number from here on. */
static void pa_pool_wake(struct pa_slot *slot, struct pa_pool *pool)
{
	pa_list_del(&slot->full, pool);
	WRITE_ONCE(pool->left, pa_pool_out(pool, PA_POOL_FULL));
}

/*
 * A pool whose free list does not fit its counters: a block was freed twice, or
 * by a pointer into its middle, or written to after it was freed. All of its
 * blocks stay out for ever.
 */
static void __pa_cold pa_pool_damaged(struct pa_pool *pool)
{
	pa_corrupt("free list is damaged (freed twice, or inside a block, or used after free)",
		   pa_pool_base(pool));
	WRITE_ONCE(pool->free, NULL);
	WRITE_ONCE(pool->left, pool->carved);
}

/* Gives an owned pool that holds no live block, and is on no list, back. */
static void pa_pool_release(struct pa_slot *slot, struct pa_pool *pool)
{
	slot->pools -= pool->npools;
	if (unlikely(!pa_list_sound(pool, pool->free, pa_pool_whole(pool)))) {
		pa_pool_damaged(pool);
		WRITE_ONCE(pool->state, PA_POOL_LOOSE);
		WRITE_ONCE(pool->owner, NULL);
		return;
	}
	WRITE_ONCE(pool->free, NULL);
	WRITE_ONCE(pool->owner, NULL);
	pa_arenas_put(pool);
}

/*
 * How much of empty pools a slot keeps on its usable lists. Without them a
 * program that frees what it has just allocated takes each pool from its
 * arena and carves it again.
 */
#define PA_EMPTY_BYTES	(256UL << 10)

static bool pa_slot_may_keep(const struct pa_slot *slot, const struct pa_pool *pool)
{
	return slot->empty + pool->npools <= PA_EMPTY_BYTES / PA_POOL_SIZE;
}

/* Takes a pool out of whatever list its owner has it on. */
static void pa_pool_unlist(struct pa_slot *slot, struct pa_pool *pool)
{
	if (pool->state == PA_POOL_USABLE)
		pa_list_del(&slot->cls[pool->cls].usable, pool);
	else if (pool->state == PA_POOL_FULL)
		pa_list_del(&slot->full, pool);
	else if (slot->cls[pool->cls].current_pool == pool)
		WRITE_ONCE(slot->cls[pool->cls].current_pool, NULL);
}

/* The last block of a usable pool came back. */
static void pa_pool_emptied(struct pa_slot *slot, struct pa_pool *pool)
{
	if (pa_slot_may_keep(slot, pool)) {
		slot->empty += pool->npools;
		return;
	}
	pa_pool_unlist(slot, pool);
	pa_pool_release(slot, pool);
}

/* Gives the empty pools on the usable list of a class back. */
static void pa_slot_release_empty(struct pa_slot *slot, unsigned int cls)
{
	struct pa_pool *pool = slot->cls[cls].usable;

	while (pool && slot->empty) {
		struct pa_pool *next = pool->next;

		if (!pool->left) {
			slot->empty -= pool->npools;
			pa_pool_unlist(slot, pool);
			pa_pool_release(slot, pool);
		}
		pool = next;
	}
}

/* Gives all of them back, and empty current spans. Return: true if there were any. */
static bool pa_slot_release_all_empty(struct pa_slot *slot)
{
	u64 before = slot->pools;
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES && slot->empty; cls++)
		pa_slot_release_empty(slot, cls);
	for (cls = PA_FIRST_MEDIUM; cls < PA_CLASSES; cls++) {
		struct pa_pool *pool = slot->cls[cls].current_pool;

		if (pool && !pool->left) {
			pa_pool_unlist(slot, pool);
			pa_pool_release(slot, pool);
		}
	}
	return slot->pools != before;
}

/**
 * pa_slot_free_event() - an owned pool's count of frees has run out
 * @slot: the entered slot
 * @pool: a pool of it whose @left has just become 0
 *
 * FULL: enough blocks came back, from now on it can be allocated from.
 * USABLE: all blocks are back; the pool returns to its arena, unless the slot
 * keeps it for the next time.
 * CURRENT: all blocks are back, and the pool stays, so that a program that
 * frees and allocates the only block of a class does not bounce a pool.
 */
void pa_slot_free_event(struct pa_slot *slot, struct pa_pool *pool)
{
	if (pool->state == PA_POOL_FULL) {
		pa_pool_wake(slot, pool);
		pa_pool_set_usable(slot, pool);
	}
	if (pool->state == PA_POOL_USABLE && !pool->left)
		pa_pool_emptied(slot, pool);
}

/*
 * Splices remotely freed blocks into an owned pool's free list.
 * Return: how many. @left is the true number of blocks that are out.
 */
static u32 pa_pool_collect(struct pa_pool *pool)
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

/* A dequeued pool that the slot owns: take the blocks, find its new place. */
static void pa_pool_drain(struct pa_slot *slot, struct pa_pool *pool)
{
	if (pool->state == PA_POOL_FULL) {
		pa_pool_wake(slot, pool);
		pa_pool_set_usable(slot, pool);
	}
	pa_pool_collect(pool);
	slot->drains++;
	pa_trace_drain(pool->cls);
	if (!pool->left && pool->state == PA_POOL_USABLE)
		pa_pool_emptied(slot, pool);
}

static void pa_shared_push(struct pa_pool *pool)
{
	struct pa_node *node = pa_nodes[pa_arena_of(pool)->nid];

	pa_stack_push(&node->shared[pool->cls], &pool->qlink);
}

/*
 * Puts a pool in hand (QUEUED, on no list) where its owner, or the next
 * adopter, finds it. Rule R3: push, full barrier, read @dead; pairs with
 * pa_slot_stop(): set @dead, full barrier, take the inbox. One of the two
 * sees the other.
 *
 * Return: true if the owner turned out to be dead, so the caller must empty
 * that inbox too: *@dead.
 */
static bool pa_pool_post(struct pa_pool *pool, struct pa_slot **dead)
{
	/* NULL: what the owner did to the pool is done. Pairs with pa_pool_let_go(). */
	struct pa_slot *owner = smp_load_acquire(&pool->owner);

	if (owner && READ_ONCE(owner->dead) == PA_SLOT_ABANDONED) {
		/* Nobody is left to let go (fork), and we hold the pool. */
		WRITE_ONCE(pool->left, pa_pool_out(pool, READ_ONCE(pool->state)));
		WRITE_ONCE(pool->owner, NULL);
		owner = NULL;
	}
	if (!owner) {
		WRITE_ONCE(pool->state, PA_POOL_LOOSE);
		pa_shared_push(pool);
		return false;
	}
	pa_stack_push(&owner->inbox, &pool->qlink);
	/* The push before the look at @dead. Pairs with pa_slot_stop(). */
	smp_mb();
	*dead = owner;
	return READ_ONCE(owner->dead);
}

static void pa_inbox_pass_on(struct pa_slot *slot);

/**
 * pa_pool_enqueue() - tell the owner of a pool that blocks wait on @remote
 * @pool: a pool whose QUEUED bit the caller has just set, or which the caller
 *	has just taken from a list without clearing it
 *
 * Context: any. Lock-free.
 */
void pa_pool_enqueue(struct pa_pool *pool)
{
	struct pa_slot *dead;

	if (pa_pool_post(pool, &dead))
		pa_inbox_pass_on(dead);
}

/* Empties the inbox of a dead slot: its pools go where they now belong. */
static void pa_inbox_pass_on(struct pa_slot *slot)
{
	struct pa_qnode *q = pa_stack_take(&slot->inbox);

	while (q) {
		struct pa_pool *pool = container_of(q, struct pa_pool, qlink);
		struct pa_slot *dead;

		q = q->next;
		if (pa_pool_post(pool, &dead)) {
			/* Ours again, with all that others pushed meanwhile. */
			struct pa_qnode *more = pa_stack_take(&dead->inbox);
			struct pa_qnode *last = more;

			while (last && last->next)
				last = last->next;
			if (last) {
				last->next = q;
				q = more;
			}
		}
	}
}

/*
 * Puts the rest of what was taken from the slot's own inbox back, below what
 * was pushed meanwhile. It stays QUEUED: nobody else can do that.
 */
static void pa_inbox_put_back(struct pa_slot *slot, struct pa_qnode *rest)
{
	while (!pa_stack_put_back(&slot->inbox, rest)) {
		struct pa_qnode *more = pa_stack_take(&slot->inbox), *last = more;

		while (last && last->next)
			last = last->next;
		if (!last)
			continue;
		last->next = rest;
		rest = more;
	}
}

/**
 * pa_slot_drain_some() - take over what others have freed into some pools
 * @slot: the entered slot
 * @n: how many pools at most
 *
 * A pool in the inbox that is not (or no longer) the slot's own is passed on:
 * the slot was reused, and the freer had read the owner before.
 *
 * Return: true if there are more.
 */
bool pa_slot_drain_some(struct pa_slot *slot, unsigned int n)
{
	struct pa_qnode *q = pa_stack_take(&slot->inbox);

	for (; q && n; n--) {
		struct pa_pool *pool = container_of(q, struct pa_pool, qlink);

		q = q->next;
		if (READ_ONCE(pool->owner) == slot)
			pa_pool_drain(slot, pool);
		else
			pa_pool_enqueue(pool);
	}
	if (q)
		pa_inbox_put_back(slot, q);
	return q;
}

/* Likewise of all pools that are in the inbox now. */
void pa_slot_drain(struct pa_slot *slot)
{
	pa_slot_drain_some(slot, ~0U);
}

/*
 * Makes the slot the owner of a pool from a shared list. Rule R2: become the
 * owner first, clear QUEUED (pa_remote_take() in pa_pool_collect()) second.
 */
static void pa_pool_adopt(struct pa_slot *slot, struct pa_pool *pool)
{
	slot->pools += pool->npools;
	slot->adoptions++;
	WRITE_ONCE(pool->owner, slot);
	WRITE_ONCE(pool->state, PA_POOL_CURRENT);
	pa_pool_collect(pool);
	pa_trace_adopt(pool->cls);
}

/*
 * Adopts one pool with room. The rest goes back: with one CAS and without a
 * walk if the list is still empty, else pool by pool.
 */
static struct pa_pool *pa_shared_adopt(struct pa_slot *slot, unsigned int cls)
{
	struct pa_stack *list = &slot->node->shared[cls];
	struct pa_qnode *q = pa_stack_take(list);
	struct pa_pool *found = NULL;

	while (q && !found) {
		struct pa_pool *pool = container_of(q, struct pa_pool, qlink);

		q = q->next;
		pa_pool_adopt(slot, pool);
		if (pa_pool_has_room(pool))
			found = pool;
		else
			pa_pool_set_full(slot, pool);
	}
	if (q && !pa_stack_put_back(list, q)) {
		while (q) {
			struct pa_qnode *next = q->next;

			pa_stack_push(list, q);
			q = next;
		}
	}
	return found;
}

/**
 * pa_free_remote() - free a block of a pool that the caller does not own
 * @slot: the entered slot, or NULL if none could be entered
 * @pool: the pool
 * @p: a live block of it
 *
 * Whoever finds itself the one to enqueue a pool without an owner adopts it
 * instead: the frees that follow are local, and an empty pool goes back.
 *
 * Context: any. Lock-free, but for giving back a pool that became empty.
 */
void pa_free_remote(struct pa_slot *slot, struct pa_pool *pool, void *p)
{
	if (!pa_remote_push(pool, p))
		return;
	/* NULL: the pool is the caller's to adopt. Pairs with pa_pool_let_go(). */
	if (!slot || smp_load_acquire(&pool->owner)) {
		pa_pool_enqueue(pool);
		return;
	}
	pa_pool_adopt(slot, pool);
	if (pool->left)
		pa_pool_set_usable(slot, pool);
	else
		pa_pool_release(slot, pool);
}

/*
 * Memory that was never used costs page faults and makes the heap larger: it
 * comes last, after what is kept for other classes.
 */
static struct pa_pool *pa_pool_get(struct pa_slot *slot, unsigned int npools)
{
	struct pa_pool *pool = pa_arenas_get_used(slot->node, npools);

	if (!pool && pa_slot_release_all_empty(slot))
		pool = pa_arenas_get_used(slot->node, npools);
	return pool ? pool : pa_arenas_get(slot->node, npools);
}

static struct pa_pool *pa_pool_new(struct pa_slot *slot, unsigned int cls)
{
	struct pa_pool *pool = pa_pool_get(slot, pa_class[cls].npools);

	if (!pool)
		return NULL;
	WRITE_ONCE(pool->left, 0);
	WRITE_ONCE(pool->cls, (u8)cls);
	WRITE_ONCE(pool->capacity, pa_class[cls].capacity);
	/* From here on statistics count it. Pairs with pa_next_pool(). */
	smp_store_release(&pool->state, PA_POOL_CURRENT);
	WRITE_ONCE(pool->owner, slot);
	slot->pools += pool->npools;
	return pool;
}

/*
 * Cuts the next blocks of a pool, at most up to the end of the page that the
 * first of them starts in (of large blocks: one). Memory behind them stays
 * untouched.
 */
static void *pa_pool_carve(struct pa_slot *slot, struct pa_pool *pool)
{
	size_t size = pa_class_size(pool->cls);
	size_t start = pool->carved * size;
	u32 n = (u32)((PA_CARVE_BYTES - start % PA_CARVE_BYTES) / size);
	char *p = pa_pool_base(pool) + start;
	void *first = p;

	if (!n)
		n = 1;
	if (n > (u32)pool->capacity - pool->carved)
		n = (u32)pool->capacity - pool->carved;
	WRITE_ONCE(pool->carved, (u16)(pool->carved + n));
	WRITE_ONCE(pool->left, pool->left + n);
	slot->fresh[pool->cls] = true;
	slot->carves++;
	for (; n > 1; n--, p += size)
		pa_store_link(p, p + size);
	pa_store_link(p, NULL);
	return first;
}

/*
 * Takes a pool's whole free list, or cuts new blocks. All blocks carved so
 * far are out afterwards.
 * Return: a list, or NULL: a hole brought nothing yet, or the pool's list was
 * damaged: it is dropped, its blocks stay out for ever.
 */
static void *pa_pool_take(struct pa_slot *slot, struct pa_pool *pool)
{
	void *list = pool->free;

	slot->fresh[pool->cls] = false;
	if (!list)
		return pool->holes ? pa_hole_fill(pool) : pa_pool_carve(slot, pool);
	if (unlikely(!pa_pool_holds(pool, list) ||
		     !pa_list_sound(pool, list, pa_pool_whole(pool) - pool->left))) {
		pa_pool_damaged(pool);
		return NULL;
	}
	WRITE_ONCE(pool->free, NULL);
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
			slot->empty -= pool->npools;
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

/**
 * pa_slot_refill() - fill an empty bin and allocate from it
 * @slot: the entered slot
 * @cls: the class; its bin is empty
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

	do {
		pool = c->current_pool;
		if (!pool || pa_pool_spent(c, pool)) {
			if (pool)
				pa_pool_set_full(slot, pool);
			pool = pa_slot_next_pool(slot, cls);
			WRITE_ONCE(c->current_pool, pool);
			if (!pool)
				return NULL;
		}
		p = pa_pool_take(slot, pool);
	} while (unlikely(!p));
	slot->refills++;
	if (PA_HOT_ROOM)
		slot->room[cls] = pa_class[cls].room;
	pa_trace_refill(cls);
	next = pa_load_link(p);
	PA_WRITE_OWN(*pa_slot_bin(slot, cls), next);
	__builtin_prefetch(next, 1, 3);
	return p;
}

/*
 * What is left in a bin that was filled by cutting new blocks, and that takes
 * no freed ones, is the end of the current pool's carved part: it becomes
 * uncarved again, without a walk over memory that perhaps was never used.
 */
static bool pa_slot_uncarve(struct pa_slot *slot, unsigned int cls, const void *p)
{
	struct pa_pool *pool = slot->cls[cls].current_pool;
	u32 index;

	if (!slot->fresh[cls] || (PA_HOT_ROOM && cls < PA_FIRST_MEDIUM) ||
	    !pool || !pa_pool_holds(pool, p))
		return false;
	index = pa_class_index(cls, (size_t)((const char *)p - pa_pool_base(pool)));
	WRITE_ONCE(pool->left, pool->left - (pool->carved - index));
	WRITE_ONCE(pool->carved, (u16)index);
	return true;
}

/*
 * Returns the blocks of a bin to the pools they came from. In one step: in
 * userspace a signal handler may pop from the bin in between.
 */
static void pa_slot_empty_bin(struct pa_slot *slot, unsigned int cls)
{
	void **bin = pa_slot_bin(slot, cls);
	u32 left = PA_POOL_SIZE;
	void *p, *next;

	slot->room[cls] = 0;
	if (!READ_ONCE(*bin))
		return;
	p = xchg(bin, NULL);
	if (p && pa_slot_uncarve(slot, cls, p))
		return;
	/* More than any bin can hold: the list goes in a circle. */
	for (; p && left; p = next, left--) {
		next = pa_load_link(p);
		pa_slot_free(slot, pa_pool_head(pa_desc_of(p)), p);
	}
}

static void pa_slot_flush_class(struct pa_slot *slot, unsigned int cls)
{
	struct pa_pool *pool;

	pa_slot_empty_bin(slot, cls);
	pa_slot_release_empty(slot, cls);
	pool = slot->cls[cls].current_pool;
	if (pool && !pool->left) {
		pa_pool_unlist(slot, pool);
		pa_pool_release(slot, pool);
	}
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
	} else {
		pa_slot_flush_class(slot, *step - PA_FLUSH_DRAINS + 1);
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

/*
 * An owned pool, already off the slot's lists, loses its owner. Rule R4: for
 * a pool with room take QUEUED first, clear @owner second, push it third; if
 * a freer has QUEUED, it enqueues. A full pool only loses its owner: the next
 * remote free enqueues it.
 */
static void pa_pool_let_go(struct pa_slot *slot, struct pa_pool *pool)
{
	bool room = pa_pool_has_room(pool);
	bool mine;

	if (!pool->left) {
		pa_pool_release(slot, pool);
		return;
	}
	slot->pools -= pool->npools;
	WRITE_ONCE(pool->state, PA_POOL_LOOSE);
	mine = room && pa_remote_queue(pool);
	/* The owner's last word. Pairs with pa_pool_post() and pa_free_remote(). */
	smp_store_release(&pool->owner, NULL);
	if (mine)
		pa_shared_push(pool);
}

static void pa_slot_let_go_class(struct pa_slot *slot, unsigned int cls)
{
	struct pa_slot_class *c = &slot->cls[cls];
	struct pa_pool *pool;

	pa_slot_empty_bin(slot, cls);
	pool = c->current_pool;
	if (pool) {
		WRITE_ONCE(c->current_pool, NULL);
		pa_pool_let_go(slot, pool);
	}
	while ((pool = c->usable)) {
		pa_list_del(&c->usable, pool);
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
	struct pa_pool *pool;
	unsigned int cls;

	pa_slot_drain(slot);
	for (cls = 1; cls < PA_CLASSES; cls++)
		pa_slot_let_go_class(slot, cls);
	while ((pool = slot->full)) {
		pa_pool_wake(slot, pool);
		pa_pool_let_go(slot, pool);
	}
	slot->empty = 0;
	pa_bins_lock();
	WRITE_ONCE(slot->bins, NULL);
	pa_bins_unlock();
	/* No pool has this owner any more when it reads as dead. */
	smp_store_release(&slot->dead, PA_SLOT_STOPPED);
	/* @dead before the last look. Pairs with pa_pool_post(). */
	smp_mb();
	pa_inbox_pass_on(slot);
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
	bins->slot = slot;
	WRITE_ONCE(slot->bins, bins);
	/* A freer that sees it alive finds it whole. Pairs with pa_pool_post(). */
	smp_store_release(&slot->dead, 0);
}

/**
 * pa_shared_sweep_some() - collect from pools that nobody owns
 * @slot: the entered slot that does the work
 * @q: pools that the caller has taken from a shared list
 *
 * Blocks of a pool without an owner wait on @remote with nobody looking. Each
 * pool is adopted, collected, and given back or let go again.
 *
 * Return: those that are left for the next time, or NULL.
 */
struct pa_qnode *pa_shared_sweep_some(struct pa_slot *slot, struct pa_qnode *q)
{
	unsigned int n = PA_SLOW_STEP;

	for (; q && n; n--) {
		struct pa_pool *pool = container_of(q, struct pa_pool, qlink);

		q = q->next;
		pa_pool_adopt(slot, pool);
		pa_pool_let_go(slot, pool);
	}
	return q;
}

/**
 * pa_shared_sweep() - collect from all pools that nobody owns
 * @slot: the entered slot that does the work
 * @node: the node whose shared lists are swept
 */
void pa_shared_sweep(struct pa_slot *slot, struct pa_node *node)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		struct pa_qnode *q = pa_stack_take(&node->shared[cls]);

		while (q)
			q = pa_shared_sweep_some(slot, q);
	}
}
