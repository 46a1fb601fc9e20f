// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Allocators for CPython's domains.
 *
 * CPython compiles its objects for blocks that are aligned to 16 bytes, as
 * pymalloc's are: so sizes above 8 are rounded up to a multiple of 16. With
 * align8 they are not: a list or a float of 24 bytes then takes 24. Nothing
 * may be freed by a realloc to 0, and a block of 0 bytes is a block.
 *
 * The interpreter calls these through pointers, for each object: so they are
 * the fast paths themselves, and not functions that call them.
 */
#include "pa_user.h"
#include "shim.h"

static __always_inline void *shim_pop(size_t size, size_t align)
{
	if (unlikely(size > PA_FAST_MAX))
		return NULL;
	return align == 16 ? pa_user_pop16(size) : pa_user_pop8(size);
}

/* Has the arguments of its callers: nothing is moved on their fast paths. */
static __attribute__((noinline)) void *shim_malloc_slow(void *ctx, size_t size)
{
	(void)ctx;
	return pa_user_alloc_slow(size, size > 8 ? 16 : 8, false);
}

static __attribute__((noinline)) void *shim_malloc8_slow(void *ctx, size_t size)
{
	(void)ctx;
	return pa_user_alloc_slow(size, 8, false);
}

static __always_inline void *shim_zalloc(size_t n, size_t size, size_t align)
{
	size_t bytes;
	void *p;

	if (unlikely(__builtin_mul_overflow(n, size, &bytes)))
		return NULL;
	p = shim_pop(bytes, align);
	if (likely(p))
		return memset(p, 0, bytes);
	return pa_user_alloc_slow(bytes, bytes > 8 ? align : 8, true);
}

static void *shim_malloc(void *ctx, size_t size)
{
	void *p = shim_pop(size, 16);

	return likely(p) ? p : shim_malloc_slow(ctx, size);
}

static void *shim_calloc(void *ctx, size_t n, size_t size)
{
	(void)ctx;
	return shim_zalloc(n, size, 16);
}

static void *shim_realloc(void *ctx, void *p, size_t size)
{
	size_t old;

	if (likely(pa_user_stays(p, size, &old)))
		return p;
	if (!p)
		return shim_malloc(ctx, size);
	return pa_user_resize(p, old, size, size > 8 ? 16 : 8);
}

static void shim_free(void *ctx, void *p)
{
	(void)ctx;
	pa_user_free(p);
}

static void *shim_malloc8(void *ctx, size_t size)
{
	void *p = shim_pop(size, 8);

	return likely(p) ? p : shim_malloc8_slow(ctx, size);
}

static void *shim_calloc8(void *ctx, size_t n, size_t size)
{
	(void)ctx;
	return shim_zalloc(n, size, 8);
}

static void *shim_realloc8(void *ctx, void *p, size_t size)
{
	size_t old;

	if (likely(pa_user_stays(p, size, &old)))
		return p;
	if (!p)
		return shim_malloc8(ctx, size);
	return pa_user_resize(p, old, size, 8);
}

const struct shim_allocator shim_allocator = {
	.malloc = shim_malloc,
	.calloc = shim_calloc,
	.realloc = shim_realloc,
	.free = shim_free,
};

const struct shim_allocator shim_allocator_align8 = {
	.malloc = shim_malloc8,
	.calloc = shim_calloc8,
	.realloc = shim_realloc8,
	.free = shim_free,
};
