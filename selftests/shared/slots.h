/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Several slots of one heap, driven by one thread, against an oracle: what the tests of slots share. A freer
 * that stops in the middle is played by doing the halves of a remote free apart.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include "pa_heap.h"
#include "pa_options.h"
#include "pa_owner.h"
#include "pa_stats.h"
#include "oracle.h"

#define SLOTS	4
#define IN_HAND	8

/* What slots may borrow. */
#define LOANS	8

static struct pa_node node;
static struct pa_slot slots[SLOTS];
static struct pa_bins bins[SLOTS];
static bool alive[SLOTS];
static struct oracle oracle;
static uint64_t rng;
static struct pa_stats stats;

/* Pools whose QUEUED bit we have set, and that we have not enqueued yet. */
static struct pa_pool *in_hand[IN_HAND];
static unsigned int nhand;

static inline unsigned int below(unsigned int n)
{
	return (unsigned int)(tap_random(&rng) % n);
}

static inline void start(unsigned int i)
{
	memset(&bins[i], 0, sizeof(bins[i]));
	pa_slot_start(&slots[i], &node, &bins[i]);
	alive[i] = true;
}

static inline void stop(unsigned int i)
{
	pa_slot_stop(&slots[i]);
	alive[i] = false;
	TAP_CHECK(slots[i].dead && !slots[i].pools && !slots[i].full && !slots[i].bins);
	TAP_CHECK(pa_stack_empty(&slots[i].inbox));
}

static inline unsigned int some_slot(void)
{
	unsigned int i = below(SLOTS);

	if (!alive[i])
		start(i);
	return i;
}

static inline unsigned int some_class(unsigned int classes)
{
	/* Few classes: their pools fill up, change hands and become empty. */
	static const unsigned char favourites[] = { 64, 32, 63, 65, 100, 112, 48, 2 };

	return classes ? favourites[below(classes)] : 1 + below(PA_CLASSES - 1);
}

/* To the largest power of two that divides the size, a page at most. */
static inline bool naturally_aligned(const void *p, size_t size)
{
	size_t align = size & -size;

	return !((uintptr_t)p & ((align > 4096 ? 4096 : align) - 1));
}

static inline bool alloc_from(unsigned int i, unsigned int cls)
{
	void *p = pa_slot_alloc(&slots[i], cls);
	struct pa_pool *pool;

	if (!p && TAP_CHECK(pa_arenas_grow(&node, 0, pa_class[cls].npools)))
		p = pa_slot_alloc(&slots[i], cls);
	if (!TAP_CHECK(p))
		return false;
	pool = pa_pool_head(pa_desc_of(p));
	TAP_CHECK(pa_pool_owner(pool) == &slots[i] && pool->cls == cls && pa_pool_holds(pool, p));
	TAP_CHECK(pa_pool_of(p) == pool);
	TAP_CHECK(naturally_aligned(p, pa_class_size(cls)));
	return oracle_add(&oracle, p, pa_class_size(cls), pa_class_size(cls), cls);
}

/* Frees through slot @i; without it (-1) as an interrupt would; or leaves the second half for later. */
static inline void free_through(int i, size_t which, bool half)
{
	void *p = oracle_del(&oracle, which);
	struct pa_pool *pool = pa_pool_head(pa_desc_of(p));

	if (i >= 0 && pa_pool_owner(pool) == &slots[i]) {
		if (pool->cls < PA_FIRST_KEPT || below(4) == 0 ||
		    !pa_span_keep(&slots[i], pool->cls, p))
			pa_slot_free(&slots[i], pool, p);
	} else if (!half) {
		pa_free_remote(i < 0 ? NULL : &slots[i], pool, p);
	} else if (pa_remote_push(pool, p)) {
		in_hand[nhand++] = pool;
	}
}

static inline void enqueue_one(void)
{
	unsigned int k = below(nhand);
	struct pa_pool *pool = in_hand[k];

	in_hand[k] = in_hand[--nhand];
	pa_pool_enqueue(pool);
}

/* The lists of a slot hold what their names say, and nothing twice. */
static inline void check_slot(struct pa_slot *slot)
{
	struct pa_pool *pool;
	unsigned int cls;
	u64 pools = 0, empty = 0;

	for (pool = slot->full; pool; pool = pool->next) {
		TAP_CHECK(pool->state == PA_POOL_FULL && pa_pool_owner(pool) == slot && pool->left);
		pools += pool->npools;
	}
	for (cls = 1; cls < PA_CLASSES; cls++) {
		pool = slot->cls[cls].current_pool;
		if (pool) {
			TAP_CHECK(pool->state == PA_POOL_CURRENT && pa_pool_owner(pool) == slot);
			pools += pool->npools;
		}
		for (pool = slot->cls[cls].usable; pool; pool = pool->next) {
			TAP_CHECK(pool->state == PA_POOL_USABLE && pa_pool_owner(pool) == slot);
			TAP_CHECK(pool->cls == cls && pool->left <= pool->carved);
			pools += pool->npools;
			empty += pool->left ? 0 : pool->npools;
		}
	}
	if (!TAP_CHECK(pools == slot->pools && empty == slot->empty))
		tap_diag("slot %u has %llu pools, %llu empty, on its lists and counts %llu and %llu",
			 slot->id, (unsigned long long)pools, (unsigned long long)empty,
			 (unsigned long long)slot->pools, (unsigned long long)slot->empty);
}

/* Loans are the node's or a slot's. */
static inline void check_loans(void)
{
	struct pa_slot *slot;
	u32 n = node.loans;

	for (slot = pa_slots; slot; slot = slot->next_slot)
		n += slot->loans;
	TAP_CHECK(n == LOANS);
}

static inline void check_all(void)
{
	static u64 live[PA_CLASSES];
	unsigned int cls, i;
	size_t k;

	memset(live, 0, sizeof(live));
	for (k = 0; k < oracle.n; k++)
		live[oracle.block[k].group]++;
	pa_stats_collect(&stats);
	for (cls = 1; cls < PA_CLASSES; cls++)
		if (!TAP_CHECK(stats.cls[cls].live == live[cls] &&
			       stats.cls[cls].live_bytes == live[cls] * pa_class_size(cls)))
			tap_diag("class %u: %llu live, statistics say %llu", cls,
				 (unsigned long long)live[cls],
				 (unsigned long long)stats.cls[cls].live);
	TAP_CHECK(stats.total.count.live == oracle.n);
	TAP_CHECK(stats.total.count.pools == stats.total.pools);
	TAP_CHECK(pa_stats_identity(&stats.total));
	check_loans();
	for (i = 0; i < SLOTS; i++)
		if (alive[i])
			check_slot(&slots[i]);
	oracle_walk_start(&oracle);
	TAP_CHECK(!pa_walk(oracle_visit, &oracle));
	oracle_walk_end(&oracle);
}

/* Everything freed, everybody gone: not a pool is left. */
static inline void empty_everything(void)
{
	unsigned int i;

	while (oracle.n)
		free_through((int)some_slot(), oracle.n - 1, nhand < IN_HAND);
	while (nhand)
		enqueue_one();
	check_all();
	for (i = 0; i < SLOTS; i++)
		if (alive[i] && i)
			stop(i);
	i = some_slot();
	pa_shared_sweep(&slots[i], &node);
	stop(i);
	for (i = 0; i < SLOTS; i++)
		if (alive[i])
			stop(i);
	check_all();
	if (!TAP_CHECK(!node.pools))
		tap_diag("%llu pools are still in use", (unsigned long long)node.pools);
	pa_arenas_release(&node, 0);
	TAP_CHECK(!node.arenas);
	for (i = 1; i < PA_CLASSES; i++)
		TAP_CHECK(pa_stack_empty(&node.shared[i]));
}

/* Before the first test. */
static inline void slots_init(void)
{
	unsigned int i;

	pa_options.purge_delay = PA_NEVER;
	pa_node_init(&node, 0);
	node.loans = LOANS;
	for (i = 0; i < SLOTS; i++) {
		pa_slot_init(&slots[i], NULL, NULL);
		pa_slot_register(&slots[i]);
	}
}

#endif
