// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Pools that change owner: frees by others, inboxes, shared lists, adoption,
 * letting go. The ordering rules R1..R7 that the comments name are in
 * common/README.md.
 */
#include "pa_owner.h"

/* A dequeued pool that the slot owns: take the blocks, find its new place. */
static void pa_pool_drain(struct pa_slot *slot, struct pa_pool *pool)
{
	if (pool->state == PA_POOL_FULL) {
		pa_pool_wake(slot, pool);
		pa_pool_set_usable(slot, pool);
	}
	pa_pool_collect(pool);
	PA_WRITE_OWN(slot->drains, slot->drains + 1);
	pa_trace_drain(pool->cls);
	/* What others have emptied may be of a class no longer used: no loan is for it. */
	if (!pool->left && pool->state == PA_POOL_USABLE)
		pa_pool_emptied(slot, pool, PA_EMPTY_POOLS);
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
	struct pa_slot *owner = pa_owner_slot(smp_load_acquire(&pool->owner));

	if (owner && READ_ONCE(owner->dead) == PA_SLOT_ABANDONED) {
		/* Nobody is left to let go (fork), and we hold the pool. */
		WRITE_ONCE(pool->left, pa_pool_out(pool, READ_ONCE(pool->state)));
		pa_pool_set_owner(pool, NULL);
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
void pa_inbox_pass_on(struct pa_slot *slot)
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
		if (pa_pool_owner(pool) == slot)
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
	pa_slot_gains(slot, pool);
	PA_WRITE_OWN(slot->adoptions, slot->adoptions + 1);
	pa_pool_set_owner(pool, pa_owner_word(slot, pool->cls));
	WRITE_ONCE(pool->state, PA_POOL_CURRENT);
	pa_pool_collect(pool);
	pa_trace_adopt(pool->cls);
}

/*
 * Adopts one pool with room. The rest goes back: with one CAS and without a
 * walk if the list is still empty, else pool by pool.
 */
struct pa_pool *pa_shared_adopt(struct pa_slot *slot, unsigned int cls)
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
 * An owned pool, already off the slot's lists, loses its owner. Rule R4: for
 * a pool with room take QUEUED first, clear @owner second, push it third; if
 * a freer has QUEUED, it enqueues. A full pool only loses its owner: the next
 * remote free enqueues it.
 */
void pa_pool_let_go(struct pa_slot *slot, struct pa_pool *pool)
{
	bool room = pa_pool_has_room(pool);
	bool mine;

	if (!pool->left) {
		pa_pool_release(slot, pool);
		return;
	}
	pa_slot_loses(slot, pool);
	WRITE_ONCE(pool->state, PA_POOL_LOOSE);
	mine = room && pa_remote_queue(pool);
	pa_pool_set_owner(pool, NULL);
	if (mine)
		pa_shared_push(pool);
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
