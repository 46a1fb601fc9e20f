// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which bytes are one block: for who copies them to user space.
 */
#include <linux/export.h>
#include <linux/poolalloc.h>

#include "pa_kmod.h"

/* The pool whose memory an address lies in, or NULL. Reads nothing of others'. */
static const struct pa_pool *pa_object_pool(const void *p)
{
	const struct pa_arena *arena = pa_arena_of(p);
	const struct pa_pool *pool;

	if (!pa_plausible(arena) || READ_ONCE(arena->magic) != PA_MAGIC_ARENA)
		return NULL;
	pool = pa_pool_head(pa_desc_of(p));
	if ((const void *)pool <= (const void *)arena || READ_ONCE(pool->state) == PA_POOL_FREE)
		return NULL;
	return pool;
}

/**
 * poolalloc_check_object() - do some bytes lie within one block?
 * @p: where they begin: anywhere in a block, not only at its start
 * @n: how many; 0 bytes lie in the block that @p points into
 *
 * What hardened usercopy asks the slab allocators. The kernel cannot ask
 * poolalloc: it sees pages that belong to nobody, and stops no copy that
 * leaves a block. A module that copies a number of bytes that it was given,
 * from or to a block, asks by itself:
 *
 *	if (!poolalloc_check_object(p, n) || copy_to_user(to, p, n))
 *		return -EFAULT;
 *
 * All bytes of the block count, also those beyond the size that was asked for
 * (poolalloc_size()). Nothing is reported. That the block is live is the
 * caller's to know: a free one is not told from it as long as its pool exists.
 *
 * With backend=slab hardened usercopy knows each block; then this makes sure
 * only that @p is in one and that @n is not more than its size.
 *
 * Context: Any. @p may be any value.
 * Return: true if all @n bytes are in one block; false if not, or if @p does
 * not point to memory of poolalloc.
 */
bool poolalloc_check_object(const void *p, size_t n)
{
	const struct pa_pool *pool;
	size_t size, offset;
	unsigned int cls;
	u32 index;

	if (static_branch_unlikely(&pa_slab_on))
		return pa_slab_holds(p, n);
	pool = pa_object_pool(p);
	if (!pool)
		return false;
	cls = READ_ONCE(pool->cls);
	size = pa_class_size(cls);
	offset = (const char *)p - pa_pool_base(pool);
	index = pa_class_index(cls, offset);
	return index < READ_ONCE(pool->carved) && n <= size - (offset - index * size);
}
EXPORT_SYMBOL_GPL(poolalloc_check_object);
