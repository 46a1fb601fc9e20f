// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Allocators for CPython's domains, made of the native functions.
 *
 * CPython compiles its objects for blocks that are aligned to 16 bytes, as
 * pymalloc's are: so sizes above 8 are rounded up to a multiple of 16. With
 * align8 they are not: a list or a float of 24 bytes then takes 24. Nothing
 * may be freed by a realloc to 0, and a block of 0 bytes is a block: that is
 * how the native functions are.
 */
#include "shim.h"

#include <poolalloc.h>

static inline size_t shim_round(size_t size)
{
	/* The largest sizes wrap around; they fail with or without it. */
	return size > 8 && size <= POOLALLOC_CLASS_MAX ? (size + 15) & ~(size_t)15 : size;
}

static void *shim_malloc(void *ctx, size_t size)
{
	(void)ctx;
	return poolalloc_alloc(shim_round(size));
}

static void *shim_calloc(void *ctx, size_t n, size_t size)
{
	size_t bytes;

	(void)ctx;
	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return poolalloc_zalloc(shim_round(bytes));
}

static void *shim_realloc(void *ctx, void *p, size_t size)
{
	(void)ctx;
	return poolalloc_realloc(p, shim_round(size));
}

static void shim_free(void *ctx, void *p)
{
	(void)ctx;
	poolalloc_free(p);
}

static void *shim_malloc8(void *ctx, size_t size)
{
	(void)ctx;
	return poolalloc_alloc(size);
}

static void *shim_calloc8(void *ctx, size_t n, size_t size)
{
	size_t bytes;

	(void)ctx;
	return __builtin_mul_overflow(n, size, &bytes) ? NULL : poolalloc_zalloc(bytes);
}

static void *shim_realloc8(void *ctx, void *p, size_t size)
{
	(void)ctx;
	return poolalloc_realloc(p, size);
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
