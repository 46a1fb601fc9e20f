// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exported functions.
 */
#include <linux/export.h>
#include <linux/kcsan-checks.h>
#include <linux/kmsan-checks.h>
#include <linux/linkage.h>
#include <linux/mm.h>
#include <linux/poolalloc.h>
#include <linux/sched/mm.h>

#include "pa_kmod.h"

static_assert(POOLALLOC_MAX_SIZE == PA_MEDIUM_MAX);

/* What no block can give: see poolalloc_alloc(). */
#define PA_GFP_REFUSED	(__GFP_NOFAIL | __GFP_DMA | __GFP_DMA32)

/* Bits of gfp for which a block is wiped; all of them with init_on_alloc. */
static gfp_t pa_zeroing __read_mostly = __GFP_ZERO;

/*
 * The largest request that poolalloc_alloc() looks for in a bin. 0 when each
 * allocation has to do more: the fast path pays nothing for that.
 */
static size_t pa_fast_max __read_mostly = PA_SMALL_MAX;

/**
 * pa_api_init() - choose what an allocation does
 *
 * After the backend and what kmemleak is told were chosen.
 */
void pa_api_init(void)
{
	if (want_init_on_alloc(0))
		pa_zeroing = ~(__force gfp_t)0;
	if (static_key_enabled(&pa_slab_on) || static_key_enabled(&pa_leak_on) ||
	    IS_ENABLED(CONFIG_KMSAN))
		pa_fast_max = 0;
}

/* All of the block: its user may use what poolalloc_size() says. */
static noinline void *pa_zero(void *p, unsigned int cls)
{
	return memset(p, 0, pa_class_size(cls));
}

static __pa_cold void *pa_alloc_refused(gfp_t gfp)
{
	pr_err_once("refused an allocation with gfp flags %pGg: see poolalloc_alloc()\n", &gfp);
	return NULL;
}

/* What a block of a pool needs before its user gets it. */
static void pa_alloc_finish(void *p, unsigned int cls, gfp_t gfp)
{
	if (want_init_on_alloc(gfp))
		pa_zero(p, cls);
	else
		kmsan_poison_memory(p, pa_class_size(cls), gfp);
	if (static_branch_unlikely(&pa_leak_on))
		pa_leak_block_given(p, pa_class_size(cls), gfp);
}

/* The slot of this CPU had no block at hand, or could not be entered. */
static void *pa_alloc_out_of_line(unsigned int cls, int nid, gfp_t gfp)
{
	void *p;

	if (unlikely(gfp & PA_GFP_REFUSED))
		return pa_alloc_refused(gfp);
	might_alloc(gfp);
	if (static_branch_unlikely(&pa_slab_on))
		return pa_slab_alloc(cls, nid, gfp);
	p = pa_alloc_slow(cls, nid, gfp);
	if (p)
		pa_alloc_finish(p, cls, gfp);
	return p;
}

static noinline void *pa_alloc_again(unsigned int cls, gfp_t gfp)
{
	return pa_alloc_out_of_line(cls ?: pa_class_small(0), PA_ANY_NODE, gfp);
}

static noinline void *pa_alloc_other(size_t size, gfp_t gfp)
{
	if (size > POOLALLOC_MAX_SIZE)
		return NULL;
	return pa_alloc_again(pa_class_of(size), gfp);
}

/**
 * poolalloc_alloc() - allocate memory
 * @size: bytes, up to POOLALLOC_MAX_SIZE; 0 is treated as 1
 * @gfp: what the allocation may do when the CPU has no memory at hand:
 *	GFP_KERNEL, GFP_ATOMIC, GFP_NOWAIT and so on. __GFP_ZERO is honoured.
 *	Zones (GFP_DMA, GFP_DMA32) and __GFP_NOFAIL are refused: NULL is
 *	returned and a message logged, once. __GFP_ACCOUNT is ignored, since a
 *	page is shared by many owners.
 *
 * Rounds up to the next size class: a multiple of 8 bytes up to 512 bytes,
 * then eight classes per doubling. Blocks of a class that is a power of two
 * are aligned to their size (at most to a page), all others to 8 bytes at
 * least.
 *
 * Context: Any but NMI. May sleep if @gfp allows it.
 * Return: the block, or NULL.
 */
void *poolalloc_alloc(size_t size, gfp_t gfp)
{
	unsigned long cls;
	void *p;

	/* All calls are tail calls: nothing is saved on the stack. */
	if (unlikely(size > pa_fast_max))
		return pa_alloc_other(size, gfp);
	/* 0 is the class of no bytes, whose bin is empty. */
	cls = (size + PA_SMALL_STEP - 1) / PA_SMALL_STEP;
	if (unlikely(!pa_cpu_try_enter()))
		return pa_alloc_again(cls, gfp);
	p = raw_cpu_read(pa_cpu.bin[cls]);
	if (unlikely(!p)) {
		pa_cpu_leave();
		return pa_alloc_again(cls, gfp);
	}
	raw_cpu_write(pa_cpu.bin[cls], pa_load_link(p));
	/* What is taken may come back, see pa_bin_keep(). */
	raw_cpu_inc(pa_cpu.room[cls]);
	pa_cpu_leave();
	if (unlikely(gfp & pa_zeroing))
		return pa_zero(p, cls);
	return p;
}
EXPORT_SYMBOL_GPL(poolalloc_alloc);

/**
 * poolalloc_alloc_node() - allocate memory from a NUMA node
 * @size: as for poolalloc_alloc()
 * @gfp: as for poolalloc_alloc()
 * @node: the node, or NUMA_NO_NODE
 *
 * The arenas of a node come from it as long as it has memory; with
 * __GFP_THISNODE they come from nowhere else.
 *
 * Context: Any but NMI. May sleep if @gfp allows it.
 * Return: the block, or NULL.
 */
void *poolalloc_alloc_node(size_t size, gfp_t gfp, int node)
{
	if (node < 0 || node >= PA_MAX_NODES || !pa_nodes[node] || node == pa_this_node())
		return poolalloc_alloc(size, gfp);
	if (size > POOLALLOC_MAX_SIZE)
		return NULL;
	return pa_alloc_out_of_line(pa_class_of(size), node, gfp);
}
EXPORT_SYMBOL_GPL(poolalloc_alloc_node);

/* With parameters that cost something at each free. */
static noinline void pa_free_carefully(void *p)
{
	struct pa_pool *pool;

	if (static_branch_unlikely(&pa_slab_on)) {
		pa_slab_free(p);
		return;
	}
	pool = pa_free_allowed(p);
	if (!pool)
		return;
	if (static_branch_unlikely(&pa_leak_on))
		pa_leak_block_taken(p);
	if (want_init_on_free())
		pa_zero(p, pool->cls);
	else
		kmsan_poison_memory(p, pa_class_size(pool->cls), GFP_ATOMIC);
	pa_free_slow(p);
}

/*
 * A free writes to the whole block, for KCSAN: whoever still uses it is
 * reported.
 */
static __always_inline void pa_watch_free(const void *p, const struct pa_pool *pool)
{
	if (IS_ENABLED(CONFIG_KCSAN))
		__kcsan_check_access(p, pa_class_size(pool->cls),
				     KCSAN_ACCESS_WRITE | KCSAN_ACCESS_ASSERT);
}

static noinline void pa_free_twice(void *p)
{
	pa_cpu_leave();
	pa_corrupt("block was freed twice", p);
}

/* The last free of the class went to its pool, or was the last one to the bin. */
static __always_inline bool pa_freed_last(const struct pa_pool *pool, unsigned long cls,
					  const void *p)
{
	return pool->free == p || (cls < PA_CPU_BINS && raw_cpu_read(pa_cpu.bin[cls]) == p);
}

/* The count of a pool has run out; leaves the slot. */
static noinline void pa_free_event(struct pa_slot *slot, struct pa_pool *pool)
{
	u64 pools = slot->pools;

	pa_slot_free_event(slot, pool);
	if (slot->pools != pools)
		pa_purge_later();
	pa_cpu_leave();
}

/* To its pool, since the bin holds enough. Leaves the slot. */
static __always_inline void pa_free_to_pool(struct pa_slot *slot, struct pa_pool *pool,
					    unsigned long cls, void *p)
{
	/* Else its address would be computed for every free, one instruction. */
	OPTIMIZER_HIDE_VAR(cls);
	raw_cpu_write(pa_cpu.room[cls], 0);
	if (unlikely(pa_freed_last(pool, cls, p)))
		return pa_free_twice(p);
	if (unlikely(pa_pool_push(pool, p)))
		return pa_free_event(slot, pool);
	pa_cpu_leave();
}

static noinline void pa_free_others(void *p)
{
	pa_cpu_leave();
	if (IS_ENABLED(CONFIG_KCSAN)) {
		struct pa_pool *pool = pa_pool_of(p);

		if (!pool)
			return;
		pa_watch_free(p, pool);
	}
	pa_free_slow(p);
}

/**
 * poolalloc_free() - free memory
 * @ptr: what an allocating function returned, or NULL
 *
 * On any CPU, from any context, also after the CPU that allocated is gone.
 *
 * Context: Any but NMI. Does not sleep.
 */
void poolalloc_free(const void *ptr)
{
	void *p = (void *)ptr;
	struct pa_slot *slot;
	struct pa_pool *pool;
	unsigned long cls;
	void *first;

	/* All calls are tail calls, as in poolalloc_alloc(). */
	if (unlikely(!p))
		return;
	if (static_branch_unlikely(&pa_careful))
		return pa_free_carefully(p);
	if (unlikely(!pa_cpu_try_enter()))
		return pa_free_slow(p);
	pool = pa_desc_of(p);
	slot = raw_cpu_read(pa_cpu.slot);
	if (unlikely(!pa_owned_by(&pool->owner, slot)))
		return pa_free_others(p);
	pa_watch_free(p, pool);
	cls = pool->cls;
	if (unlikely(pa_cpu_dec_is_neg(room[cls])))
		return pa_free_to_pool(slot, pool, cls, p);
	/*
	 * The most frequent mistake, which would give the block to everybody
	 * who allocates, is seen by one comparison.
	 */
	first = raw_cpu_read(pa_cpu.bin[cls]);
	if (unlikely(first == p))
		return pa_free_twice(p);
	pa_store_link(p, first);
	raw_cpu_write(pa_cpu.bin[cls], p);
	pa_cpu_leave();
}
EXPORT_SYMBOL_GPL(poolalloc_free);

/**
 * poolalloc_alloc_bulk() - allocate several blocks of one size
 * @size: as for poolalloc_alloc()
 * @gfp: as for poolalloc_alloc()
 * @n: how many
 * @out: array of @n pointers
 *
 * Context: Any but NMI. May sleep if @gfp allows it.
 * Return: how many blocks there were; as many entries of @out are set.
 */
unsigned int poolalloc_alloc_bulk(size_t size, gfp_t gfp, unsigned int n, void **out)
{
	unsigned int cls, i;

	if (size > POOLALLOC_MAX_SIZE)
		return 0;
	if (unlikely(gfp & PA_GFP_REFUSED)) {
		pa_alloc_refused(gfp);
		return 0;
	}
	might_alloc(gfp);
	cls = pa_class_of(size);
	if (static_branch_unlikely(&pa_slab_on))
		return pa_slab_alloc_bulk(cls, gfp, n, out);
	n = pa_alloc_bulk(cls, gfp, n, out);
	if (want_init_on_alloc(gfp) || unlikely(!pa_fast_max))
		for (i = 0; i < n; i++)
			pa_alloc_finish(out[i], cls, gfp);
	return n;
}
EXPORT_SYMBOL_GPL(poolalloc_alloc_bulk);

/**
 * poolalloc_free_bulk() - free several blocks
 * @n: how many
 * @ptrs: blocks of any size; NULL entries are skipped
 *
 * Context: Any but NMI. Does not sleep.
 */
void poolalloc_free_bulk(unsigned int n, void **ptrs)
{
	unsigned int i;

	if (!static_branch_unlikely(&pa_careful)) {
		pa_free_bulk(n, ptrs);
		return;
	}
	for (i = 0; i < n; i++)
		if (ptrs[i])
			pa_free_carefully(ptrs[i]);
}
EXPORT_SYMBOL_GPL(poolalloc_free_bulk);

/**
 * poolalloc_size() - usable bytes of a block
 * @p: a live block, or NULL
 *
 * Context: Any.
 * Return: the size of the block's class: what was asked for or a little more,
 * all of which its user may use. 0 for NULL.
 */
size_t poolalloc_size(const void *p)
{
	if (!p)
		return 0;
	return static_branch_unlikely(&pa_slab_on) ? pa_slab_size(p) : pa_usable_size(p);
}
EXPORT_SYMBOL_GPL(poolalloc_size);

/**
 * poolalloc_trim() - give memory back to the system
 *
 * Flushes this CPU's slot and gives every arena back that holds no live
 * block, the reserve too, and free pools of the others, but not on PREEMPT_RT.
 * Other CPUs keep what they cache. With backend=slab SLUB decides what it
 * keeps, and nothing is done.
 *
 * Context: Any but NMI. Does not sleep.
 * Return: bytes that are free after the next grace period; what others give
 * back meanwhile may be among them.
 */
size_t poolalloc_trim(void)
{
	/* There, free pools are what callers with preemption off live on. */
	return pa_trim_here(!IS_ENABLED(CONFIG_PREEMPT_RT));
}
EXPORT_SYMBOL_GPL(poolalloc_trim);
