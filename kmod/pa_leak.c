// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kmemleak is told. It does not look into pages that it was not told of,
 * and the page allocator tells it of none.
 *
 *   kmemleak=0   an arena is one object that is scanned and never reported: what
 *                other memory is kept alive by pointers in blocks only is seen.
 *                When pools of it go, the others are an object each
 *   kmemleak=1   each live block is an object: scanned, and reported when
 *                nothing points to it; descriptors and free blocks are not
 *                looked at
 *
 * With backend=slab SLUB tells it of each block. Without CONFIG_DEBUG_KMEMLEAK
 * all of this is empty.
 */
#include <linux/kmemleak.h>
#include <linux/module.h>

#include "pa_kmod.h"

DEFINE_STATIC_KEY_FALSE(pa_leak_on);

static bool pa_kmemleak;
module_param_named(kmemleak, pa_kmemleak, bool, 0444);
MODULE_PARM_DESC(kmemleak, "Tell kmemleak of each block, so that lost ones are reported; slow (default 0)");

/**
 * pa_leak_init() - choose what kmemleak is told
 *
 * After the backend was chosen.
 *
 * Return: 0 or an error.
 */
int pa_leak_init(void)
{
	if (!pa_kmemleak || static_key_enabled(&pa_slab_on))
		return 0;
	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK)) {
		pr_err("kmemleak=1 needs a kernel with CONFIG_DEBUG_KMEMLEAK\n");
		return -EINVAL;
	}
	static_branch_enable(&pa_leak_on);
	return 0;
}

static int pa_leak_forget(void *ctx, void *block, size_t size)
{
	kmemleak_free(block);
	return 0;
}

/**
 * pa_leak_exit() - forget the blocks that nobody can free any more
 *
 * Before their arenas go. Nobody uses the heap.
 */
void pa_leak_exit(void)
{
	if (static_branch_unlikely(&pa_leak_on))
		pa_walk(pa_leak_forget, NULL);
}

/**
 * pa_leak_block_given() - a block was allocated
 * @p: the block
 * @size: all of it
 * @gfp: as for the allocation
 */
void pa_leak_block_given(const void *p, size_t size, gfp_t gfp)
{
	kmemleak_alloc(p, size, 1, gfp);
}

/* A block is about to be freed; its next owner may come at once. */
void pa_leak_block_taken(const void *p)
{
	kmemleak_free(p);
}

static void pa_leak_pools_mapped(const struct pa_arena *arena, gfp_t gfp)
{
	unsigned int i, n = pa_arena_pools(arena);

	for (i = 0; i <= n; i++)
		kmemleak_alloc((char *)arena + i * PA_POOL_SIZE, PA_POOL_SIZE, 0, gfp);
}

/* An arena was mapped. Nobody else knows of it yet. */
void pa_leak_arena_mapped(struct pa_arena *arena, gfp_t gfp)
{
	if (static_branch_unlikely(&pa_leak_on))
		return;
	if (pa_arena_pools(arena) == PA_ARENA_POOLS)
		kmemleak_alloc(arena, PA_ARENA_SIZE, 0, gfp);
	else
		pa_leak_pools_mapped(arena, gfp);
}

/* Pools of an arena, whole until now, may go alone. Under the node lock. */
void pa_leak_arena_parted(struct pa_arena *arena)
{
	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || static_branch_unlikely(&pa_leak_on))
		return;
	kmemleak_free(arena);
	pa_leak_pools_mapped(arena, GFP_ATOMIC | __GFP_NOWARN);
}

/*
 * Pools wait for a grace period: RCU links the callbacks of others through
 * @note, which must be scanned.
 */
void pa_leak_pools_unmapped(const void *note, size_t size)
{
	if (static_branch_unlikely(&pa_leak_on))
		kmemleak_alloc(note, size, 0, GFP_ATOMIC | __GFP_NOWARN);
}

/* Their pages are about to go back: of a whole arena, or single ones. */
void pa_leak_pools_freed(const struct pa_arena *arena, u64 pools, const void *note)
{
	if (static_branch_unlikely(&pa_leak_on)) {
		kmemleak_free(note);
		return;
	}
	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
		return;
	if (pools == ~0ULL)
		kmemleak_free(arena);
	else
		for (; pools; pools &= pools - 1)
			kmemleak_free((char *)arena + __ffs64(pools) * PA_POOL_SIZE);
}
