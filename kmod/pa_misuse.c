// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of wrong use: one each, then the machine goes on.
 */
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/stacktrace.h>

#include "pa_kmod.h"

#define PA_TRACE_DEPTH	12

static bool pa_panic_on_corruption;
module_param_named(panic_on_corruption, pa_panic_on_corruption, bool, 0644);
MODULE_PARM_DESC(panic_on_corruption, "Stop the machine when a wrong pointer is freed or a free list is damaged (default 0: report, leak the block, go on)");

/* Who called into the module: the first return address outside of it. */
static unsigned long pa_caller(void)
{
	unsigned long trace[PA_TRACE_DEPTH];
	unsigned int i, n = stack_trace_save(trace, ARRAY_SIZE(trace), 1);

	for (i = 0; i < n; i++)
		if (!within_module(trace[i], THIS_MODULE))
			return trace[i];
	return _RET_IP_;
}

/**
 * pa_corrupt() - report a wrong pointer or a damaged list
 * @why: what is wrong
 * @p: the pointer
 *
 * Context: any.
 */
void pa_corrupt(const char *why, const void *p)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);
	unsigned long caller;

	if (!__ratelimit(&limit))
		return;
	caller = pa_caller();
	if (pa_panic_on_corruption)
		panic("poolalloc: %s: %p, called from %pS\n", why, p, (void *)caller);
	pr_err("BUG: %s: %p, called from %pS\n", why, p, (void *)caller);
}

/**
 * pa_is_arena() - does an arena begin here?
 * @p: an address in the direct map
 *
 * What is looked at may be memory of others, and poisoned: no reason for KASAN
 * to report anything.
 */
__no_sanitize_address noinline bool pa_is_arena(const void *p)
{
	return READ_ONCE(((const struct pa_arena *)p)->magic) == PA_MAGIC_ARENA;
}

/**
 * pa_list_sound() - is this a list of so many blocks of a pool?
 * @pool: the pool
 * @list: the first block
 * @n: how many there should be
 *
 * At each refill, so that a block that was freed twice is noticed before it is
 * given to two owners for long. The blocks are about to be allocated: reading
 * them brings them into the cache, and costs few instructions each.
 *
 * A pointer into the middle of a block of the CPU's own pool takes free's fast
 * path, which cannot afford to look. It is noticed here: all blocks lie at
 * multiples of their size, and so does the sum of them. (Two that make up for
 * each other pass.)
 *
 * Context: the pool's owner.
 */
bool pa_list_sound(const struct pa_pool *pool, const void *list, unsigned int n)
{
	uintptr_t base = (uintptr_t)pa_pool_base(pool);
	size_t bytes = pool->npools * PA_POOL_SIZE, sum = 0;

	for (; n && list; n--) {
		size_t offset = (uintptr_t)list - base;

		if (offset >= bytes)
			return false;
		sum += offset;
		list = pa_load_link(list);
	}
	return !n && !list && sum % pa_class_size(pool->cls) == 0;
}

/* A bin mixes the blocks of several pools. */
static bool pa_list_has(const void *list, const void *p)
{
	unsigned int n = PA_POOL_SIZE;

	for (; n && list && list != p; n--)
		list = pa_load_link(list);
	return list == p;
}

/*
 * Set when every free has to do more: look whether the block is free already
 * (slow, but the report has the caller of the second free), or wipe it.
 */
DEFINE_STATIC_KEY_FALSE(pa_careful);

static bool pa_check_free;
module_param_named(check_free, pa_check_free, bool, 0444);
MODULE_PARM_DESC(check_free, "Check at every free that the block is not free already (default 0: only the block freed last, and lists when they are used)");

/**
 * pa_careful_init() - choose what free does
 *
 * After the backend and what kmemleak is told were chosen.
 */
void pa_careful_init(void)
{
	if (pa_check_free || want_init_on_free() || IS_ENABLED(CONFIG_KMSAN) ||
	    static_key_enabled(&pa_slab_on) || static_key_enabled(&pa_leak_on))
		static_branch_enable(&pa_careful);
}

/* Blocks of other CPUs' pools are not looked for: their lists are theirs. */
static bool pa_freed_here(struct pa_slot *slot, struct pa_pool *pool, const void *p)
{
	return pool->owner == slot &&
	       (pa_list_has(pool->free, p) ||
		pa_list_has(*pa_slot_bin(slot, pool->cls), p));
}

/**
 * pa_free_allowed() - may a block be freed?
 * @p: the pointer
 *
 * Return: its pool; NULL after a report if it is no block, or a free one.
 */
struct pa_pool *pa_free_allowed(const void *p)
{
	struct pa_pool *pool = pa_pool_of(p);
	struct pa_bins *bins;
	bool freed;

	if (!pool || !pa_check_free)
		return pool;
	bins = pa_slot_enter();
	if (!bins)
		return pool;
	freed = pa_freed_here(bins->slot, pool, p);
	pa_slot_leave(bins);
	if (freed)
		pa_corrupt("block was freed already", p);
	return freed ? NULL : pool;
}
