// SPDX-License-Identifier: GPL-2.0-only
/*
 * backend=slab: each block is an object of a kmem_cache of its class, so that
 * KASAN, slub_debug and kmemleak know where it begins and ends.
 *
 * The heap stays empty then: bins have no block, every allocation ends in
 * pa_slab_alloc(), and pa_careful sends every free to pa_slab_free().
 *
 * SLUB does not tell modules which cache an object belongs to. So the class is
 * noted for each page (the first one of a slab) when a block comes from it. A
 * note is true as long as a block of that page is live; one of a page that
 * SLUB has given back is replaced when the page comes back for another class.
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "pa_kmod.h"

#define PA_CACHE_NAME_LEN	24

enum pa_backend { PA_BACKEND_AUTO, PA_BACKEND_POOL, PA_BACKEND_SLAB };

static const char *const pa_backend_names[] = {
	[PA_BACKEND_AUTO]	= "auto",
	[PA_BACKEND_POOL]	= "pool",
	[PA_BACKEND_SLAB]	= "slab",
};

/**
 * struct pa_slab_counts - blocks by class, of one CPU
 * @allocs: allocated on this CPU since the start
 * @frees: freed on this CPU since the start
 */
struct pa_slab_counts {
	unsigned long allocs[PA_CLASSES];
	unsigned long frees[PA_CLASSES];
};

DEFINE_STATIC_KEY_FALSE(pa_slab_on);

static enum pa_backend pa_backend;
static struct kmem_cache *pa_slab_caches[PA_CLASSES];
static struct pa_slab_counts __percpu *pa_slab_counts;
static DEFINE_XARRAY_FLAGS(pa_slab_pages, XA_FLAGS_LOCK_IRQ);
static atomic_long_t pa_slab_bytes = ATOMIC_LONG_INIT(0);
static atomic_long_t pa_slab_bytes_peak = ATOMIC_LONG_INIT(0);

static int pa_backend_set(const char *val, const struct kernel_param *kp)
{
	int i = sysfs_match_string(pa_backend_names, val);

	if (i < 0) {
		pr_err("backend=%s is unknown, give auto, pool or slab\n", val);
		return i;
	}
	pa_backend = i;
	return 0;
}

static int pa_backend_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", pa_backend_names[pa_backend]);
}

static const struct kernel_param_ops pa_backend_ops = {
	.set	= pa_backend_set,
	.get	= pa_backend_get,
};

/* KASAN has no interface by which a module could tell it of blocks. */
module_param_cb(backend, &pa_backend_ops, NULL, 0444);
MODULE_PARM_DESC(backend, "Where blocks come from: pool, slab (a kmem_cache per size class), or auto (default): slab if the kernel has KASAN, else pool");

/* As in pools: to the power of two that is in the size. */
static unsigned int pa_slab_align(size_t size)
{
	return min_t(size_t, size & -size, PAGE_SIZE);
}

/* All of a block may be copied to user space, as with pools. */
static struct kmem_cache *pa_slab_create_cache(size_t size)
{
	char name[PA_CACHE_NAME_LEN];

	/* Where the kernel is told to fail, it has a stack to show, and some have a leak. */
	if (pa_fault_injected())
		return NULL;
	scnprintf(name, sizeof(name), "poolalloc-%zu", size);
	return kmem_cache_create_usercopy(name, size, pa_slab_align(size), 0, 0, size, NULL);
}

static int pa_slab_create_caches(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++) {
		pa_slab_caches[cls] = pa_slab_create_cache(pa_class_size(cls));
		if (!pa_slab_caches[cls])
			return -ENOMEM;
	}
	return 0;
}

static void pa_slab_free_all(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++)
		kmem_cache_destroy(pa_slab_caches[cls]);
	xa_destroy(&pa_slab_pages);
	free_percpu(pa_slab_counts);
}

/**
 * pa_slab_init() - choose the backend, and make the caches if it is slab
 *
 * Return: 0 or an error.
 */
int pa_slab_init(void)
{
	int ret;

	if (pa_backend == PA_BACKEND_AUTO)
		pa_backend = IS_ENABLED(CONFIG_KASAN) ? PA_BACKEND_SLAB : PA_BACKEND_POOL;
	if (pa_backend == PA_BACKEND_POOL)
		return 0;
	pa_slab_counts = alloc_percpu(struct pa_slab_counts);
	if (!pa_slab_counts)
		return -ENOMEM;
	ret = pa_slab_create_caches();
	if (ret) {
		pa_slab_free_all();
		return ret;
	}
	/* Nobody takes arenas. */
	pa_spare = 0;
	static_branch_enable(&pa_slab_on);
	return 0;
}

/*
 * Frees are read before allocations, so that none is seen without its
 * allocation. More frees than that are a caller's mistake.
 */
static u64 pa_slab_live(unsigned int cls)
{
	unsigned long frees = 0, allocs = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		frees += READ_ONCE(per_cpu_ptr(pa_slab_counts, cpu)->frees[cls]);
	/* Pairs with the order of what happens to a block: no barrier there. */
	smp_rmb();
	for_each_possible_cpu(cpu)
		allocs += READ_ONCE(per_cpu_ptr(pa_slab_counts, cpu)->allocs[cls]);
	return allocs > frees ? allocs - frees : 0;
}

/**
 * pa_slab_exit() - report leaks and destroy the caches
 *
 * The kernel reports a cache with leaked objects too, with each one's address,
 * and keeps it.
 */
void pa_slab_exit(void)
{
	unsigned int cls;

	if (!static_key_enabled(&pa_slab_on))
		return;
	for (cls = 1; cls < PA_CLASSES; cls++)
		pa_report_leak(cls, pa_slab_live(cls));
	pa_slab_free_all();
}

/* Gives the pages of empty slabs back. Task context, may sleep. */
void pa_slab_shrink(void)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++)
		kmem_cache_shrink(pa_slab_caches[cls]);
}

static unsigned long pa_slab_page(const void *p)
{
	return page_to_pfn(virt_to_head_page(p));
}

/*
 * Several may note the same page at once, all of them the same class: a block
 * of it is live, in each one's hands.
 */
static bool pa_slab_note(const void *p, unsigned int cls, gfp_t gfp)
{
	XA_STATE(xas, &pa_slab_pages, pa_slab_page(p));
	void *note = xa_mk_value(cls);
	unsigned long flags;

	if (likely(xa_load(&pa_slab_pages, xas.xa_index) == note))
		return true;
	do {
		xas_lock_irqsave(&xas, flags);
		xas_store(&xas, note);
		xas_unlock_irqrestore(&xas, flags);
	} while (xas_nomem(&xas, gfp));
	return !xas_error(&xas);
}

/* The class of a live block; 0 if @p is none. */
static unsigned int pa_slab_class(const void *p)
{
	void *note;

	if (!virt_addr_valid(p))
		return 0;
	note = xa_load(&pa_slab_pages, pa_slab_page(p));
	return note && PageSlab(virt_to_head_page(p)) ? xa_to_value(note) : 0;
}

/* max_arenas limits blocks to what that many arenas could hold. */
static bool pa_slab_charge(size_t size)
{
	unsigned long limit = (unsigned long)READ_ONCE(pa_max_arenas) * PA_ARENA_SIZE;
	long used, peak;

	if (pa_fault_injected())
		return false;
	used = atomic_long_add_return(size, &pa_slab_bytes);
	if (limit && used > limit) {
		atomic_long_sub(size, &pa_slab_bytes);
		return false;
	}
	peak = atomic_long_read(&pa_slab_bytes_peak);
	while (used > peak && !atomic_long_try_cmpxchg(&pa_slab_bytes_peak, &peak, used))
		;
	return true;
}

/* As with arenas: a user's memory is never worth the OOM killer. */
static void *pa_slab_get(unsigned int cls, int nid, gfp_t gfp)
{
	void *p;

	gfp = (gfp & ~(PA_GFP_DROPPED & ~__GFP_ZERO)) | __GFP_NORETRY | __GFP_NOWARN;
	p = kmem_cache_alloc_node(pa_slab_caches[cls], gfp, nid);
	if (p && !pa_slab_note(p, cls, gfp & ~__GFP_ZERO)) {
		kmem_cache_free(pa_slab_caches[cls], p);
		p = NULL;
	}
	return p;
}

/**
 * pa_slab_alloc() - allocate a block
 * @cls: class
 * @nid: node, or PA_ANY_NODE
 * @gfp: as for kmem_cache_alloc(); wiping is done here
 *
 * Context: as kmalloc(): on PREEMPT_RT not with preemption disabled.
 * Return: the block, or NULL.
 */
void *pa_slab_alloc(unsigned int cls, int nid, gfp_t gfp)
{
	size_t size = pa_class_size(cls);
	void *p;

	static_assert(PA_ANY_NODE == NUMA_NO_NODE);
	if (!pa_slab_charge(size))
		goto failed;
	p = pa_slab_get(cls, nid, gfp);
	if (p) {
		this_cpu_inc(pa_slab_counts->allocs[cls]);
		return p;
	}
	atomic_long_sub(size, &pa_slab_bytes);
failed:
	pa_trace_failure(cls);
	return NULL;
}

/* As pa_slab_alloc(), @n times or until there is no memory. */
unsigned int pa_slab_alloc_bulk(unsigned int cls, gfp_t gfp, unsigned int n, void **out)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		out[i] = pa_slab_alloc(cls, PA_ANY_NODE, gfp);
		if (!out[i])
			break;
	}
	return i;
}

/**
 * pa_slab_free() - free a block
 * @p: what pa_slab_alloc() returned
 *
 * Context: as kfree().
 */
void pa_slab_free(void *p)
{
	unsigned int cls = pa_slab_class(p);

	if (unlikely(!cls)) {
		pa_corrupt("pointer was not allocated here", p);
		return;
	}
	this_cpu_inc(pa_slab_counts->frees[cls]);
	atomic_long_sub(pa_class_size(cls), &pa_slab_bytes);
	kmem_cache_free(pa_slab_caches[cls], p);
}

/* Bytes of a live block. */
size_t pa_slab_size(const void *p)
{
	return pa_class_size(pa_slab_class(p));
}

/* SLUB does not tell modules where the object begins. */
bool pa_slab_holds(const void *p, size_t n)
{
	unsigned int cls = pa_slab_class(p);

	return cls && n <= pa_class_size(cls);
}

void pa_slab_reset_peaks(void)
{
	atomic_long_set(&pa_slab_bytes_peak, atomic_long_read(&pa_slab_bytes));
}

/* SLUB does not tell what it holds besides: "-". */
static void pa_slab_show_class(struct seq_file *m, unsigned int cls)
{
	u64 live = pa_slab_live(cls);

	if (live)
		seq_printf(m, "class %5zu        - %10llu          -        - %12llu            -            -   -\n",
			   pa_class_size(cls), live, live * pa_class_size(cls));
}

/**
 * pa_slab_show() - write /proc/poolalloc
 * @m: where to
 */
void pa_slab_show(struct seq_file *m)
{
	unsigned int cls;
	u64 blocks = 0;

	for (cls = 1; cls < PA_CLASSES; cls++)
		blocks += pa_slab_live(cls);
	seq_puts(m, "poolalloc - version: 1\nbackend slab\n");
	seq_printf(m, "live_blocks %llu\nlive_bytes %ld peak %ld\n", blocks,
		   atomic_long_read(&pa_slab_bytes), atomic_long_read(&pa_slab_bytes_peak));
	seq_puts(m, "# class size pools live free pending live_bytes free_bytes uncarved_bytes frag\n");
	for (cls = 1; cls < PA_CLASSES; cls++)
		pa_slab_show_class(m, cls);
}
