/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * poolalloc: a per-CPU pool allocator for small objects, for other modules.
 *
 * Any context except NMI. Memory is not zeroed unless asked for, is aligned
 * to 8 bytes (blocks whose size is a power of two to their size, up to the
 * size of a page), and comes from the kernel's direct map.
 */
#ifndef _LINUX_POOLALLOC_H
#define _LINUX_POOLALLOC_H

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/types.h>

/* Larger requests return NULL. */
#define POOLALLOC_MAX_SIZE	32768

/*
 * No __alloc_size: FORTIFY_SOURCE would take the part of a block beyond the
 * requested size, which its user may use (poolalloc_size()), for an overflow.
 */
void *poolalloc_alloc(size_t size, gfp_t gfp) __malloc;
void *poolalloc_alloc_node(size_t size, gfp_t gfp, int node) __malloc;
void poolalloc_free(const void *p);
void poolalloc_free_rcu(void *p);
unsigned int poolalloc_alloc_bulk(size_t size, gfp_t gfp, unsigned int n, void **out);
void poolalloc_free_bulk(unsigned int n, void **ptrs);
size_t poolalloc_size(const void *p);
bool poolalloc_check_object(const void *p, size_t n);
size_t poolalloc_trim(void);

/**
 * poolalloc_zalloc() - allocate zeroed memory
 * @size: bytes
 * @gfp: as for poolalloc_alloc()
 *
 * Return: zeroed memory, or NULL.
 */
static inline void *poolalloc_zalloc(size_t size, gfp_t gfp)
{
	return poolalloc_alloc(size, gfp | __GFP_ZERO);
}

/**
 * poolalloc_free_sized() - free memory of a known size
 * @p: what an allocating function returned, or NULL
 * @size: the size that was asked for
 *
 * The size is a promise that costs nothing to give and lets later versions
 * check it.
 */
static inline void poolalloc_free_sized(const void *p, size_t size)
{
	poolalloc_free(p);
}

#endif
