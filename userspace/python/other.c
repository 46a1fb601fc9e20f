// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * When the process has another poolalloc, such as libpoolalloc-malloc.so, its
 * heap is used for the domains as well: two heaps would only take more memory.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <poolalloc.h>

#include <dlfcn.h>
#include <stdint.h>

static struct {
	void *(*alloc)(size_t size);
	void *(*zalloc)(size_t size);
	void *(*realloc)(void *p, size_t size);
	void (*free)(void *p);
} shim_other;

/* @ctx is the alignment. */
static inline size_t shim_round(const void *ctx, size_t size)
{
	size_t mask = (uintptr_t)ctx - 1;

	/* The largest sizes wrap around; they fail with or without it. */
	return size > 8 && size <= POOLALLOC_CLASS_MAX ? (size + mask) & ~mask : size;
}

static void *shim_other_malloc(void *ctx, size_t size)
{
	return shim_other.alloc(shim_round(ctx, size));
}

static void *shim_other_calloc(void *ctx, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return shim_other.zalloc(shim_round(ctx, bytes));
}

static void *shim_other_realloc(void *ctx, void *p, size_t size)
{
	return shim_other.realloc(p, shim_round(ctx, size));
}

static void shim_other_free(void *ctx, void *p)
{
	(void)ctx;
	shim_other.free(p);
}

static const struct shim_allocator shim_allocator_other = {
	.ctx = (void *)16,
	.malloc = shim_other_malloc,
	.calloc = shim_other_calloc,
	.realloc = shim_other_realloc,
	.free = shim_other_free,
};

static const struct shim_allocator shim_allocator_other8 = {
	.ctx = (void *)8,
	.malloc = shim_other_malloc,
	.calloc = shim_other_calloc,
	.realloc = shim_other_realloc,
	.free = shim_other_free,
};

/* The handle under which dlsym() finds another library's functions, or @none. */
static void *shim_other_scope(void *none)
{
	void *const scopes[] = { RTLD_DEFAULT, RTLD_NEXT };
	Dl_info mine, found;
	unsigned int i;

	if (!dladdr(&shim_other, &mine))
		return none;
	for (i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		void *f = dlsym(scopes[i], "poolalloc_alloc");

		if (f && dladdr(f, &found) && found.dli_fbase != mine.dli_fbase)
			return scopes[i];
	}
	return none;
}

/**
 * shim_other_allocator() - the allocator that is another library's
 * @align8: as struct shim_options
 *
 * Return: NULL if there is no other library.
 */
const struct shim_allocator *shim_other_allocator(bool align8)
{
	char none;
	void *scope = shim_other_scope(&none);

	if (scope == &none)
		return NULL;
	*(void **)&shim_other.alloc = dlsym(scope, "poolalloc_alloc");
	*(void **)&shim_other.zalloc = dlsym(scope, "poolalloc_zalloc");
	*(void **)&shim_other.realloc = dlsym(scope, "poolalloc_realloc");
	*(void **)&shim_other.free = dlsym(scope, "poolalloc_free");
	if (!shim_other.alloc || !shim_other.zalloc || !shim_other.realloc || !shim_other.free)
		return NULL;
	return align8 ? &shim_allocator_other8 : &shim_allocator_other;
}
