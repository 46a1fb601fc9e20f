/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The remote word of a pool: blocks freed by who does not own the pool.
 *
 *      63    48 47    32 31    16 15       1   0
 *     +--------+--------+--------+----------+---+
 *     |  tail  |  head  | count  |    0     | Q |
 *     +--------+--------+--------+----------+---+
 *
 * Head and tail are offsets of blocks in the pool, in units of 8 bytes; the
 * blocks between them are linked by pointers through their first word. Q is
 * QUEUED: the pool is on a list, or on its way there, or held by who took it
 * from one. With head, tail and count in one word, the owner takes any number
 * of blocks over with one xchg and without walking them.
 *
 * Which operation may run beside which:
 *
 *			| pa_remote_push | pa_remote_take | pa_remote_queue
 *	----------------+----------------+----------------+----------------
 *	pa_remote_push	| yes		 | yes		  | yes
 *	pa_remote_take	| yes		 | NO (a)	  | NO (b)
 *	pa_remote_queue	| yes		 | NO (b)	  | NO (b)
 *
 * (a) only who holds the pool dequeued takes; (b) only the owner queues, and
 * while it does, nobody else can hold the pool.
 *
 * No ABA: the word is compared whole, and a push changes nothing but the word
 * and its own block. If the same head, tail and count came back meanwhile,
 * then the chain that the block was linked to is the chain in the word again:
 * head tells the first block, and a block on the chain is nobody's to write.
 */
#ifndef PA_REMOTE_H
#define PA_REMOTE_H

#include "pa_arena.h"

#define PA_QUEUED	1ULL

static __always_inline u32 pa_remote_count(u64 word)
{
	return (word >> 16) & 0xffff;
}

static __always_inline void *pa_remote_head(const struct pa_pool *pool, u64 word)
{
	return pa_pool_base(pool) + (((word >> 32) & 0xffff) << 3);
}

static __always_inline void *pa_remote_tail(const struct pa_pool *pool, u64 word)
{
	return pa_pool_base(pool) + ((word >> 48) << 3);
}

/**
 * pa_remote_push() - free a block of somebody else's pool
 * @pool: the pool
 * @p: a live block of it
 *
 * Context: any. Lock-free. The RMW is a full barrier: the caller's accesses
 * to the block are visible to the owner after pa_remote_take(), and QUEUED is
 * set before the caller reads @owner (pairs with pa_slot_let_go()).
 * Return: true if this call set QUEUED. The caller must then call
 * pa_pool_enqueue(), exactly once.
 */
static inline bool pa_remote_push(struct pa_pool *pool, void *p)
{
	u64 off = (u64)((char *)p - pa_pool_base(pool)) >> 3;
	u64 old = READ_ONCE(pool->remote);
	u64 new;

	do {
		u32 count = pa_remote_count(old);
		u64 tail = count ? old >> 48 : off;

		pa_store_link(p, count ? pa_remote_head(pool, old) : NULL);
		new = tail << 48 | off << 32 | (u64)(count + 1) << 16 | PA_QUEUED;
	} while (!try_cmpxchg(&pool->remote, &old, new));

	return !(old & PA_QUEUED);
}

/**
 * pa_remote_queue() - the owner of a pool takes QUEUED itself
 * @pool: a pool that the caller owns
 *
 * Return: true if QUEUED was not set: no freer will enqueue the pool, the
 * caller must. False: a freer has it, or the pool is on a list already.
 */
static inline bool pa_remote_queue(struct pa_pool *pool)
{
	u64 old = READ_ONCE(pool->remote);

	do {
		if (old & PA_QUEUED)
			return false;
	} while (!try_cmpxchg(&pool->remote, &old, old | PA_QUEUED));

	return true;
}

/**
 * pa_remote_take() - clear QUEUED and take over all remotely freed blocks
 * @pool: a pool that the caller has dequeued and owns
 *
 * The xchg is a full barrier: @owner was written before (a freer that sets
 * QUEUED again sees it).
 * Return: the word; decode it with pa_remote_count(), _head(), _tail().
 */
static inline u64 pa_remote_take(struct pa_pool *pool)
{
	return xchg(&pool->remote, 0ULL);
}

#endif
