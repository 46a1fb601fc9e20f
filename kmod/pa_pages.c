// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where arenas come from: the page allocator.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/vmstat.h>

#include "pa_kmod.h"

/* How many blocks of one size are tried for one that is aligned as an arena. */
#define PA_SHORT_TRIES	48

/* What pa_pages_insist() puts aside before it asks again: pages, or a part of what is free. */
#define PA_ASIDE_PAGES	(4UL << PA_ARENA_ORDER)
#define PA_ASIDE_PART	16

static_assert(PA_ARENA_SHIFT >= PAGE_SHIFT);

/*
 * A bug in one user's error path may not take the whole machine's memory, and
 * a test needs a heap that is full: hence a hard limit.
 */
unsigned int pa_max_arenas;
module_param_named(max_arenas, pa_max_arenas, uint, 0644);
MODULE_PARM_DESC(max_arenas, "Hard limit on memory, in arenas; allocation fails beyond it (default 0: none)");

/* So that every error path of a user can be tested. */
static unsigned int pa_fail_nth;
module_param_named(fail_nth, pa_fail_nth, uint, 0600);
MODULE_PARM_DESC(fail_nth, "Let the n-th request for an arena from now on fail, once (default 0: none)");

/* What the heap has, which is what is limited. */
static atomic_long_t pa_pages_used = ATOMIC_LONG_INIT(0);

/* Arenas, and pools of others, that wait for their grace period. */
static atomic_t pa_gone_waiting = ATOMIC_INIT(0);

/* Since the start. */
static atomic_long_t pa_pages_unmapped_ever = ATOMIC_LONG_INIT(0);
static atomic_long_t pa_pages_freed_ever = ATOMIC_LONG_INIT(0);

/**
 * pa_pages_unmapped() - how many pages the heap has given back since the start
 *
 * Return: pages; they are free after their grace period.
 */
unsigned long pa_pages_unmapped(void)
{
	return atomic_long_read(&pa_pages_unmapped_ever);
}

/**
 * pa_pages_freed() - how many of them are with the page allocator again
 *
 * Return: pages.
 */
unsigned long pa_pages_freed(void)
{
	return atomic_long_read(&pa_pages_freed_ever);
}

/**
 * pa_fault_injected() - is this request for memory the one to fail?
 *
 * Return: true for the one that fail_nth has counted down to.
 */
bool pa_fault_injected(void)
{
	unsigned int n = READ_ONCE(pa_fail_nth);

	do {
		if (!n)
			return false;
	} while (!try_cmpxchg(&pa_fail_nth, &n, n - 1));
	return n == 1;
}

/* The smallest arena that has a run of @npools. */
static unsigned int pa_least_order(unsigned int npools)
{
	return order_base_2((npools + 1) * PA_PAGES_PER_POOL);
}

/*
 * Charges for a whole arena; or a short one, if the limit leaves no more, since
 * pools of others may have gone.
 * Return: true, and its *@order, unless the limit is reached.
 */
static bool pa_arena_charge(unsigned int npools, unsigned int *order)
{
	long limit = (long)READ_ONCE(pa_max_arenas) << PA_ARENA_ORDER;
	unsigned int least = pa_least_order(npools);

	for (*order = PA_ARENA_ORDER; *order >= least; --*order) {
		long used = atomic_long_add_return(1L << *order, &pa_pages_used);

		if (!limit || used <= limit)
			return true;
		atomic_long_sub(1L << *order, &pa_pages_used);
	}
	return false;
}

/* Who may wait, and has not said that it gives up soon. */
static bool pa_may_try_hard(gfp_t gfp)
{
	return pa_may_reclaim(gfp) && !(gfp & __GFP_NORETRY);
}

/*
 * When the limit is reached, other CPUs put back what they keep. Pools of the
 * arenas that there are may come of it; the caller looks again.
 */
static bool pa_arena_charge_hard(unsigned int npools, gfp_t gfp, unsigned int *order)
{
	if (pa_arena_charge(npools, order))
		return true;
	if (!pa_may_try_hard(gfp))
		return false;
	pa_trim_cpus();
	return pa_arena_charge(npools, order);
}

/* Without much effort: see pa_pages_hard(). */
static struct page *pa_pages_get(unsigned int nid, gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(nid, gfp | __GFP_NORETRY | __GFP_NOWARN, order);
}

/**
 * pa_pages_whole() - get the memory of a whole arena, outside of the heap
 * @nid: the node that it should come from
 * @gfp: what the allocation may do
 *
 * Return: pages of PA_ARENA_ORDER, or NULL.
 */
struct page *pa_pages_whole(unsigned int nid, gfp_t gfp)
{
	return pa_pages_get(nid, gfp, PA_ARENA_ORDER);
}

/*
 * Looks for a block of @order that starts where an arena may. The others are
 * kept until the end, so that the page allocator does not give them again.
 */
static struct page *pa_pages_aligned(unsigned int nid, gfp_t gfp, unsigned int order)
{
	struct page *tried[PA_SHORT_TRIES], *page = NULL;
	unsigned int n = 0;

	while (n < PA_SHORT_TRIES) {
		page = pa_pages_get(nid, gfp, order);
		if (!page || !((uintptr_t)page_address(page) & PA_ARENA_MASK))
			break;
		tried[n++] = page;
		page = NULL;
	}
	while (n)
		__free_pages(tried[--n], order);
	return page;
}

/*
 * Memory is too fragmented for a whole arena: a short one has fewer pools, but
 * is aligned as any, and is as good for a class whose pools fit. Sets *@order,
 * which was the most that it may have.
 */
static struct page *pa_pages_short(unsigned int nid, gfp_t gfp, unsigned int npools,
				   unsigned int *order)
{
	unsigned int least = pa_least_order(npools);
	struct page *page;

	gfp &= ~__GFP_DIRECT_RECLAIM;
	for (*order = min(*order, PA_ARENA_ORDER - 1U); *order >= least; --*order) {
		page = pa_pages_aligned(nid, gfp, *order);
		if (!page)
			continue;
		split_page(page, *order);
		return page;
	}
	return NULL;
}

/* On PREEMPT_RT the page allocator takes sleeping locks. */
static bool pa_may_call_page_allocator(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

/**
 * pa_pages_await() - wait for the grace period of what was given back
 *
 * Context: task, may sleep; takes no lock.
 * Return: true if there was anything to wait for.
 */
bool pa_pages_await(void)
{
	if (!atomic_read(&pa_gone_waiting))
		return false;
	rcu_barrier();
	return true;
}

/* Who may wait does so before it is told that there is no memory. */
static bool pa_pages_returned(gfp_t gfp)
{
	return pa_may_reclaim(gfp) && pa_pages_await();
}

/*
 * For so many pages the page allocator does not reclaim unless it is told to
 * try hard; no process is killed for them.
 */
static struct page *pa_pages_reclaim(unsigned int nid, gfp_t gfp)
{
	return alloc_pages_node(nid, gfp | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, PA_ARENA_ORDER);
}

/**
 * struct pa_aside - in the first page of a block that is put aside
 * @next: another one
 * @order: its size
 */
struct pa_aside {
	struct pa_aside *next;
	unsigned int order;
};

static void pa_aside_add(struct pa_aside **list, struct page *page, unsigned int order)
{
	struct pa_aside *aside = page_address(page);

	aside->next = *list;
	aside->order = order;
	*list = aside;
}

static void pa_aside_free(struct pa_aside *aside)
{
	while (aside) {
		struct pa_aside *next = aside->next;

		free_pages((unsigned long)aside, aside->order);
		aside = next;
	}
}

/*
 * The page allocator does not reclaim for an arena while there is enough free
 * memory to make one by moving pages. Of the kernel's own pages few can be
 * moved: then pieces that are smaller than an arena, or begin where none may,
 * would stay free and no arena be had, although others have memory to give
 * back. So such pieces are put aside, the largest first, and it is asked again
 * and again. The small ones are left to others.
 */
static struct page *pa_pages_insist(unsigned int nid, gfp_t gfp)
{
	unsigned long step = max(PA_ASIDE_PAGES,
				 global_zone_page_state(NR_FREE_PAGES) / PA_ASIDE_PART), n = 0;
	unsigned int order = PA_ARENA_ORDER - 1;
	struct page *page = NULL, *piece;
	struct pa_aside *aside = NULL;

	while (!page && order > PAGE_ALLOC_COSTLY_ORDER) {
		piece = pa_pages_get(nid, gfp & ~__GFP_RECLAIM, order);
		if (piece) {
			pa_aside_add(&aside, piece, order);
			n += 1UL << order;
		} else {
			order--;
		}
		if (n >= step || (n && order == PAGE_ALLOC_COSTLY_ORDER)) {
			page = pa_pages_reclaim(nid, gfp);
			n = 0;
		}
	}
	pa_aside_free(aside);
	return page;
}

/*
 * Before there is none: as long as others give memory back, files' pages above
 * all, who may wait gets an arena. What other CPUs have, in pools or to be
 * taken back, comes late.
 */
static struct page *pa_pages_hard(unsigned int nid, gfp_t gfp, unsigned int npools,
				  unsigned int *order)
{
	struct page *page;

	if (!pa_may_try_hard(gfp))
		return NULL;
	*order = PA_ARENA_ORDER;
	page = pa_pages_reclaim(nid, gfp);
	if (page)
		return page;
	pa_trim_cpus();
	pa_pages_await();
	page = pa_pages_whole(nid, gfp);
	if (page)
		return page;
	page = pa_pages_short(nid, gfp, npools, order);
	/* Or pools of arenas that there are came back: the caller looks again. */
	if (page || (npools == 1 && READ_ONCE(pa_nodes[nid]->nonempty)))
		return page;
	*order = PA_ARENA_ORDER;
	return pa_pages_insist(nid, gfp);
}

/* Of *@order, which was the most that they may have; those of short arenas are split. */
static struct page *pa_pages(unsigned int nid, gfp_t gfp, unsigned int npools,
			     unsigned int *order)
{
	bool may_call = pa_may_call_page_allocator();
	struct page *page = NULL;

	gfp &= ~PA_GFP_DROPPED;
	if (*order < PA_ARENA_ORDER)
		return may_call ? pa_pages_short(nid, gfp, npools, order) : NULL;
	if (may_call)
		page = pa_pages_get(nid, gfp, PA_ARENA_ORDER);
	if (!page && pa_pages_returned(gfp))
		page = pa_pages_get(nid, gfp, PA_ARENA_ORDER);
	if (!page)
		page = pa_spare_take(nid, gfp);
	if (!page && may_call)
		page = pa_pages_short(nid, gfp, npools, order);
	return page ?: pa_pages_hard(nid, gfp, npools, order);
}

/* Of its descriptors only those of missing pools are not clear. */
static void pa_arena_describe(struct pa_arena *arena, unsigned int order)
{
	unsigned int pools = (1U << order) / PA_PAGES_PER_POOL;

	memset(arena, 0, PA_DESC_BYTES);
	atomic64_set(&arena->aged, pools < 64 ? (s64)(~0ULL << pools) : 0);
}

/**
 * pa_arena_map() - get the memory of an arena
 * @nid: the node that it should come from
 * @gfp: what the allocation may do
 * @npools: the arena may be short, but not shorter than this
 * @fresh: becomes false: its descriptors are wiped. What is given back waits
 *	for its grace period, and does not come back before.
 *
 * Context: as @gfp says; neither in a slot nor under a lock of the core.
 * Return: memory aligned to PA_ARENA_SIZE, or NULL.
 */
void *pa_arena_map(unsigned int nid, pa_gfp_t gfp, unsigned int npools, bool *fresh)
{
	unsigned int charged, order;
	struct pa_arena *arena;
	struct page *page;

	if (pa_fault_injected() || !pa_arena_charge_hard(npools, gfp, &charged))
		return NULL;
	order = charged;
	page = pa_pages(nid, gfp, npools, &order);
	atomic_long_sub((1L << charged) - (page ? 1L << order : 0), &pa_pages_used);
	if (!page)
		return NULL;
	arena = page_address(page);
	pa_arena_describe(arena, order);
	*fresh = false;
	pa_leak_arena_mapped(arena, gfp);
	trace_arena_map(nid, pa_arena_bytes(arena));
	return arena;
}

/* The pools of an arena that are there, pool 0 among them. */
static u64 pa_arena_present(const struct pa_arena *arena)
{
	return ~(u64)atomic64_read(&arena->aged);
}

/**
 * pa_arena_pools() - how many pools an arena has
 * @arena: the arena
 *
 * Return: PA_ARENA_POOLS, or less if some are missing.
 */
unsigned int pa_arena_pools(const struct pa_arena *arena)
{
	return hweight64(pa_arena_present(arena)) - 1;
}

/**
 * pa_arena_part() - from now on pools of an arena may go alone
 * @arena: an arena
 *
 * An arena from which none has gone is one allocation of high order.
 *
 * Context: any; under the node lock, before the first pool is missing.
 */
void pa_arena_part(struct pa_arena *arena)
{
	if (atomic64_read(&arena->aged))
		return;
	split_page(virt_to_page(arena), PA_ARENA_ORDER);
	pa_leak_arena_parted(arena);
}

/**
 * struct pa_gone - in the first of some pools that go together
 * @head: for RCU
 * @pools: which ones
 */
struct pa_gone {
	struct rcu_head head;
	u64 pools;
};

static struct pa_gone *pa_gone_in(const struct pa_arena *arena, u64 pools)
{
	return (void *)((char *)arena + __ffs64(pools) * PA_POOL_SIZE);
}

/* The arena itself may not be there any more. */
static void pa_pools_free(const struct pa_arena *arena, u64 pools)
{
	unsigned int i;

	for (; pools; pools &= pools - 1) {
		char *pool = (char *)arena + __ffs64(pools) * PA_POOL_SIZE;

		for (i = 0; i < PA_PAGES_PER_POOL; i++)
			free_page((unsigned long)pool + i * PAGE_SIZE);
	}
}

static void pa_gone_free(struct rcu_head *head)
{
	struct pa_gone *gone = container_of(head, struct pa_gone, head);
	struct pa_arena *arena = pa_arena_of(gone);
	u64 pools = gone->pools;

	pa_leak_pools_freed(arena, pools, gone);
	if (pools == ~0ULL)
		free_pages((unsigned long)arena, PA_ARENA_ORDER);
	else
		pa_pools_free(arena, pools);
	atomic_long_add(hweight64(pools) * PA_PAGES_PER_POOL, &pa_pages_freed_ever);
	atomic_dec(&pa_gone_waiting);
}

static void pa_gone_later(struct pa_gone *gone, u64 pools)
{
	long pages = hweight64(pools) * PA_PAGES_PER_POOL;

	gone->pools = pools;
	atomic_inc(&pa_gone_waiting);
	atomic_long_sub(pages, &pa_pages_used);
	atomic_long_add(pages, &pa_pages_unmapped_ever);
	pa_leak_pools_unmapped(gone, sizeof(*gone));
	call_rcu_hurry(&gone->head, pa_gone_free);
	pa_purge_later();
}

/**
 * pa_pools_unmap() - give pools back, after a grace period
 * @arena: their arena, of which the last may have gone meanwhile
 * @pools: which ones: they have left the heap
 *
 * Readers may still look at their blocks.
 *
 * Context: any.
 */
void pa_pools_unmap(struct pa_arena *arena, u64 pools)
{
	struct pa_gone *gone = pa_gone_in(arena, pools);

	trace_pools_unmap(page_to_nid(virt_to_page(gone)), hweight64(pools) * PA_POOL_SIZE);
	pa_gone_later(gone, pools);
}

/**
 * pa_arena_unmap() - give an arena back, after a grace period
 * @arena: an arena that has left the heap
 *
 * Readers may still stand on its descriptors, so what is noted takes the place
 * of blocks, of which there are none any more.
 *
 * Context: any.
 */
void pa_arena_unmap(struct pa_arena *arena)
{
	u64 pools = pa_arena_present(arena);

	trace_arena_unmap(arena->nid, pa_arena_bytes(arena));
	pa_gone_later(pa_gone_in(arena, pools & ~1ULL), pools);
}
