// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where arenas come from: the page allocator.
 */
#include <linux/mm.h>
#include <linux/moduleparam.h>

#include "pa_kmod.h"

#define PA_ARENA_ORDER	(PA_ARENA_SHIFT - PAGE_SHIFT)

static_assert(PA_ARENA_SHIFT >= PAGE_SHIFT);

/*
 * What a caller may ask for that makes no sense for memory that it shares
 * with others: zones, accounting, mobility, or to try for ever.
 */
#define PA_GFP_DROPPED	(GFP_ZONEMASK | __GFP_ZERO | __GFP_ACCOUNT | \
			 __GFP_RECLAIMABLE | __GFP_WRITE | \
			 __GFP_NOFAIL | __GFP_RETRY_MAYFAIL)

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

/**
 * pa_arenas_in_use() - arenas that count against the limit
 *
 * Those that wait for a grace period before they are freed do not.
 */
unsigned int pa_arenas_in_use(void)
{
	return atomic_read(&pa_arenas_used);
}

static bool pa_fault_injected(void)
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

/**
 * pa_arena_map() - get the memory of an arena
 * @nid: the node that it should come from
 * @gfp: what the allocation may do
 * @fresh: stays true: what is given back waits for its grace period, and does
 *	not come back before
 *
 * Context: as @gfp says; neither in a slot nor under a lock of the core.
 * Return: memory aligned to its size, or NULL.
 */
void *pa_arena_map(unsigned int nid, pa_gfp_t gfp, bool *fresh)
{
	struct page *page;

	if (pa_fault_injected() || !pa_arena_charge())
		return NULL;
	gfp &= ~PA_GFP_DROPPED;
	gfp |= __GFP_NORETRY | __GFP_NOWARN | __GFP_COMP;
	page = alloc_pages_node(nid, gfp, PA_ARENA_ORDER);
	if (!page) {
		atomic_dec(&pa_arenas_used);
		return NULL;
	}
	return page_address(page);
}

static void pa_arena_free(struct rcu_head *head)
{
	free_pages((unsigned long)pa_arena_of(head), PA_ARENA_ORDER);
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

	atomic_dec(&pa_arenas_used);
	call_rcu_hurry(head, pa_arena_free);
}
