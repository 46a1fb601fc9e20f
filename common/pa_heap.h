/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The heap: what the public functions of both worlds are made of.
 *
 * The functions that take a slot expect it to be entered; pa_alloc(),
 * pa_free() and the like enter it themselves.
 */
#ifndef PA_HEAP_H
#define PA_HEAP_H

#include "pa_node.h"

/* "Wherever the caller runs", as a node number. */
#define PA_ANY_NODE	(-1)

void *pa_alloc_slow(unsigned int cls, int nid, pa_gfp_t gfp);
void pa_free_slow(void *p);
unsigned int pa_alloc_bulk(unsigned int cls, pa_gfp_t gfp, unsigned int n, void **out);
void pa_free_bulk(size_t n, void **ptrs);
void pa_trim_slot(void);
size_t pa_trim(void);
struct pa_pool *pa_pool_of(const void *p);

/* Bytes that the owner of a live block may use. */
static inline size_t pa_usable_size(const void *p)
{
	return pa_class_size(pa_pool_head(pa_desc_of(p))->cls);
}

/* Allocates a block of class @cls. Context: as @gfp says. May return NULL. */
static __always_inline void *pa_alloc(unsigned int cls, pa_gfp_t gfp)
{
	struct pa_bins *bins = pa_slot_enter();
	void *p = NULL;

	if (likely(bins)) {
		p = pa_slot_alloc(bins->slot, cls);
		pa_slot_leave(bins);
	}
	return likely(p) ? p : pa_alloc_slow(cls, PA_ANY_NODE, gfp);
}

/* Frees a block; @p is not NULL. Context: any. */
static __always_inline void pa_free(void *p)
{
	struct pa_bins *bins = pa_slot_enter();
	struct pa_pool *pool = pa_desc_of(p);

	if (likely(bins)) {
		if (likely(READ_ONCE(pool->owner) == bins->slot)) {
			pa_slot_free(bins->slot, PA_HOT_SPANS ? pa_pool_head(pool) : pool, p);
			pa_slot_leave(bins);
			return;
		}
		pa_slot_leave(bins);
	}
	pa_free_slow(p);
}

#endif
