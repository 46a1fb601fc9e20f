// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where arenas come from: the page allocator.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>

#include "pa_kmod.h"

/* How many blocks of one size are tried for one that is aligned as an arena. */
#define PA_SHORT_TRIES	48

static_assert(PA_ARENA_SHIFT >= PAGE_SHIFT);

/*
 * A bug in one user's error path may not take the whole machine's memory, and
 * a test needs a heap that is full: hence a hard limit.
 */
unsigned int pa_max_arenas;
module_param_named(max_arenas, pa_max_arenas, uint, 0644);
MODULE_PARM_DESC(max_arenas, "Hard limit on arenas; allocation fails beyond it (default 0: none)");

/* So that every error path of a user can be tested. */
static unsigned int pa_fail_nth;
module_param_named(fail_nth, pa_fail_nth, uint, 0600);
MODULE_PARM_DESC(fail_nth, "Let the n-th request for an arena from now on fail, once (default 0: none)");

static atomic_t pa_arenas_used = ATOMIC_INIT(0);

/* Arenas that wait for their grace period. */
static atomic_t pa_arenas_waiting = ATOMIC_INIT(0);

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

static bool pa_arena_charge(void)
{
	unsigned int limit = READ_ONCE(pa_max_arenas);
	int used = atomic_inc_return(&pa_arenas_used);

	if (!limit || used <= limit)
		return true;
	atomic_dec(&pa_arenas_used);
	return false;
}

/* Without much effort: see pa_pages_hard(). */
static struct page *pa_pages_get(unsigned int nid, gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(nid, gfp | __GFP_NORETRY | __GFP_NOWARN | __GFP_COMP, order);
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
 * is aligned as any, and is as good for a class whose pools fit.
 */
static struct page *pa_pages_short(unsigned int nid, gfp_t gfp, unsigned int npools)
{
	unsigned int least = order_base_2((npools + 1) * (PA_POOL_SIZE / PAGE_SIZE));
	unsigned int order = PA_ARENA_ORDER;
	struct page *page = NULL;

	gfp &= ~__GFP_DIRECT_RECLAIM;
	while (!page && order-- > least)
		page = pa_pages_aligned(nid, gfp, order);
	return page;
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
 * Return: pages that were waited for.
 */
unsigned long pa_pages_await(void)
{
	unsigned long n = atomic_read(&pa_arenas_waiting);

	if (n)
		rcu_barrier();
	return n << PA_ARENA_ORDER;
}

/* Who may wait does so before it is told that there is no memory. */
static bool pa_pages_returned(gfp_t gfp)
{
	return pa_may_reclaim(gfp) && pa_pages_await();
}

/*
 * Before there is none: as long as others give memory back, files' pages above
 * all, who may wait gets an arena. For so many pages the page allocator does
 * not reclaim unless it is told to try hard; no process is killed for them.
 * What other CPUs have, in pools or to be taken back, comes last.
 */
static struct page *pa_pages_hard(unsigned int nid, gfp_t gfp, unsigned int npools)
{
	struct page *page;

	if (!pa_may_reclaim(gfp) || (gfp & __GFP_NORETRY))
		return NULL;
	page = alloc_pages_node(nid, gfp | __GFP_RETRY_MAYFAIL | __GFP_NOWARN | __GFP_COMP,
				PA_ARENA_ORDER);
	if (!page) {
		pa_trim_cpus();
		pa_pages_await();
		page = pa_pages_whole(nid, gfp);
	}
	return page ?: pa_pages_short(nid, gfp, npools);
}

static struct page *pa_pages(unsigned int nid, gfp_t gfp, unsigned int npools)
{
	struct page *page = NULL;

	gfp &= ~PA_GFP_DROPPED;
	if (pa_may_call_page_allocator())
		page = pa_pages_get(nid, gfp, PA_ARENA_ORDER);
	if (!page && pa_pages_returned(gfp))
		page = pa_pages_get(nid, gfp, PA_ARENA_ORDER);
	if (!page)
		page = pa_spare_take(nid, gfp);
	if (!page && pa_may_call_page_allocator())
		page = pa_pages_short(nid, gfp, npools);
	return page ?: pa_pages_hard(nid, gfp, npools);
}

/**
 * pa_arena_map() - get the memory of an arena
 * @nid: the node that it should come from
 * @gfp: what the allocation may do
 * @npools: the arena may be short, but not shorter than this
 * @fresh: stays true: what is given back waits for its grace period, and does
 *	not come back before
 *
 * Context: as @gfp says; neither in a slot nor under a lock of the core.
 * Return: memory aligned to PA_ARENA_SIZE, or NULL.
 */
void *pa_arena_map(unsigned int nid, pa_gfp_t gfp, unsigned int npools, bool *fresh)
{
	struct page *page;

	if (pa_fault_injected() || !pa_arena_charge())
		return NULL;
	page = pa_pages(nid, gfp, npools);
	if (!page) {
		atomic_dec(&pa_arenas_used);
		return NULL;
	}
	pa_leak_arena_mapped(page_address(page), gfp);
	trace_arena_map(nid, pa_arena_bytes(page_address(page)));
	return page_address(page);
}

static unsigned int pa_arena_order(const struct pa_arena *arena)
{
	return compound_order(virt_to_page(arena));
}

/**
 * pa_arena_pools() - how many pools an arena has
 * @arena: the arena
 *
 * Return: PA_ARENA_POOLS, or less for a short arena.
 */
unsigned int pa_arena_pools(const struct pa_arena *arena)
{
	return (PAGE_SIZE << pa_arena_order(arena)) / PA_POOL_SIZE - 1;
}

static void pa_arena_free(struct rcu_head *head)
{
	struct pa_arena *arena = pa_arena_of(head);
	unsigned int order = pa_arena_order(arena);

	pa_leak_arena_freed(arena, head);
	free_pages((unsigned long)arena, order);
	atomic_long_add(1L << order, &pa_pages_freed_ever);
	atomic_dec(&pa_arenas_waiting);
}

/**
 * pa_arena_unmap() - give an arena back, after a grace period
 * @arena: an arena that has left the heap
 *
 * Readers may still stand on its descriptors, so the rcu_head takes the place
 * of blocks, of which there are none any more.
 *
 * Context: any.
 */
void pa_arena_unmap(struct pa_arena *arena)
{
	struct rcu_head *head = (void *)pa_pool_base(pa_arena_desc(arena, 1));

	trace_arena_unmap(arena->nid, pa_arena_bytes(arena));
	atomic_dec(&pa_arenas_used);
	atomic_inc(&pa_arenas_waiting);
	atomic_long_add(1L << pa_arena_order(arena), &pa_pages_unmapped_ever);
	pa_leak_arena_unmapped(head);
	call_rcu_hurry(head, pa_arena_free);
	pa_purge_later();
}
