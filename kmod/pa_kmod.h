/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the kernel half have from each other.
 */
#ifndef PA_KMOD_H
#define PA_KMOD_H

#include <linux/gfp.h>
#include <linux/jump_label.h>
#include <linux/sched.h>

#include "pa_heap.h"
#include "pa_stats.h"

#define PA_ARENA_ORDER	(PA_ARENA_SHIFT - PAGE_SHIFT)
#define PA_PAGES_PER_POOL	((unsigned int)(PA_POOL_SIZE / PAGE_SIZE))

/*
 * What a caller may ask for that makes no sense for memory that it shares
 * with others: zones, accounting, mobility, or to try for ever.
 */
#define PA_GFP_DROPPED	(GFP_ZONEMASK | __GFP_ZERO | __GFP_ACCOUNT | \
			 __GFP_RECLAIMABLE | __GFP_WRITE | \
			 __GFP_NOFAIL | __GFP_RETRY_MAYFAIL)

/* pa_pages.c: where arenas come from; parameters max_arenas and fail_nth. */
extern unsigned int pa_max_arenas;
bool pa_fault_injected(void);
struct page *pa_pages_whole(unsigned int nid, gfp_t gfp);
bool pa_pages_await(void);
unsigned long pa_pages_unmapped(void);
unsigned long pa_pages_freed(void);

/* May who asks with @gfp wait for memory? Not in reclaim itself. */
static inline bool pa_may_reclaim(gfp_t gfp)
{
	return gfpflags_allow_blocking(gfp) && !(current->flags & PF_MEMALLOC);
}

/* pa_pressure.c: spare memory for who may not wait; the shrinker; trimming. */
#define PA_SPARE_MAX	16
extern unsigned int pa_spare;
struct page *pa_spare_take(unsigned int nid, gfp_t gfp);
void pa_purge_later(void);
size_t pa_trim_here(bool all);
void pa_trim_cpus(void);
void pa_trim_all(void);
int pa_pressure_init(void);
void pa_pressure_exit(void);

/* pa_api.c */
void pa_api_init(void);

/* pa_cpu.c: nodes, the slots of CPUs, hotplug. */
int pa_cpus_init(void);
void pa_cpus_exit(void);
void pa_nodes_exit(void);
void pa_report_leak(unsigned int cls, u64 live);

/* pa_slab.c: blocks that are slab objects; parameter backend. */
struct seq_file;
DECLARE_STATIC_KEY_FALSE(pa_slab_on);
int pa_slab_init(void);
void pa_slab_exit(void);
void *pa_slab_alloc(unsigned int cls, int nid, gfp_t gfp);
unsigned int pa_slab_alloc_bulk(unsigned int cls, gfp_t gfp, unsigned int n, void **out);
void pa_slab_free(void *p);
size_t pa_slab_size(const void *p);
bool pa_slab_holds(const void *p, size_t n);
void pa_slab_shrink(void);
void pa_slab_reset_peaks(void);
void pa_slab_show(struct seq_file *m);

/* pa_leak.c: what kmemleak is told; parameter kmemleak. */
DECLARE_STATIC_KEY_FALSE(pa_leak_on);
int pa_leak_init(void);
void pa_leak_exit(void);
void pa_leak_block_given(const void *p, size_t size, gfp_t gfp);
void pa_leak_block_taken(const void *p);
void pa_leak_arena_mapped(struct pa_arena *arena, gfp_t gfp);
void pa_leak_arena_parted(struct pa_arena *arena);
void pa_leak_pools_unmapped(const void *note, size_t size);
void pa_leak_pools_freed(const struct pa_arena *arena, u64 pools, const void *note);

/* pa_rcu.c: deferred frees. */
int pa_rcu_init(void);
void pa_rcu_exit(void);

/* pa_misuse.c: checks of what callers give. */
DECLARE_STATIC_KEY_FALSE(pa_careful);
void pa_careful_init(void);
struct pa_pool *pa_free_allowed(const void *p);

/* pa_proc.c: /proc/poolalloc. */
int pa_proc_init(umode_t mode);
void pa_proc_exit(void);

#endif
