// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Arenas for pymalloc, on huge pages.
 *
 * pymalloc asks for arenas of 1 MiB (256 KiB before 3.10), each by a mmap() of
 * its own; no huge page fits there. Here they are cut from chunks of 2 MiB,
 * aligned, for which huge pages are asked. A small heap would be inflated by
 * them, so the first 16 MiB come as they are.
 *
 * The GIL is held by every caller: no lock.
 */
#include "shim.h"

#include <stdint.h>
#include <sys/mman.h>

#define SHIM_HUGE	((size_t)2 << 20)
#define SHIM_SMALL_HEAP	((size_t)16 << 20)
#define SHIM_SMALL_MOST	64

/* In the first bytes of an arena that is free while its chunk is in use. */
struct shim_free_arena {
	struct shim_free_arena *next;
};

static struct shim_free_arena *shim_free_arenas;

/* Arenas that came as they are. */
static void *shim_small[SHIM_SMALL_MOST];
static size_t shim_small_bytes;

static void *shim_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static char *shim_chunk_map(void)
{
	char *p = shim_map(2 * SHIM_HUGE);
	size_t front;

	if (!p)
		return NULL;
	front = -(uintptr_t)p & (SHIM_HUGE - 1);
	if (front)
		munmap(p, front);
	munmap(p + front + SHIM_HUGE, SHIM_HUGE - front);
	/* Without huge pages in this kernel it fails, and all is well. */
	madvise(p + front, SHIM_HUGE, MADV_HUGEPAGE);
	return p + front;
}

static void shim_free_push(void *p)
{
	struct shim_free_arena *a = p;

	a->next = shim_free_arenas;
	shim_free_arenas = a;
}

/* Hands the first arena of a new chunk out and keeps the others. */
static void *shim_chunk_cut(size_t size)
{
	char *chunk = shim_chunk_map();
	size_t at;

	if (!chunk)
		return NULL;
	for (at = SHIM_HUGE - size; at; at -= size)
		shim_free_push(chunk + at);
	return chunk;
}

static void **shim_small_find(const void *p)
{
	unsigned int i;

	for (i = 0; i < SHIM_SMALL_MOST; i++)
		if (shim_small[i] == p)
			return &shim_small[i];
	return NULL;
}

static void *shim_arena_alloc(void *ctx, size_t size)
{
	void **small = shim_small_find(NULL);
	struct shim_free_arena *a = shim_free_arenas;

	(void)ctx;
	/* What does not divide a chunk has a mapping of its own, for ever. */
	if (!size || size > SHIM_HUGE || SHIM_HUGE % size)
		return shim_map(size);
	if (small && shim_small_bytes + size <= SHIM_SMALL_HEAP) {
		*small = shim_map(size);
		shim_small_bytes += *small ? size : 0;
		return *small;
	}
	if (!a)
		return shim_chunk_cut(size);
	shim_free_arenas = a->next;
	/* As fresh memory: zero. */
	a->next = NULL;
	return a;
}

static uintptr_t shim_chunk_of(const void *p)
{
	return (uintptr_t)p & ~(SHIM_HUGE - 1);
}

/* Unmaps a chunk whose arenas are all on the list. */
static void shim_chunk_unmap(uintptr_t chunk)
{
	struct shim_free_arena **at = &shim_free_arenas;

	while (*at) {
		if (shim_chunk_of(*at) == chunk)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
	munmap((void *)chunk, SHIM_HUGE);
}

static void shim_arena_free(void *ctx, void *p, size_t size)
{
	void **small = shim_small_find(p);
	struct shim_free_arena *a;
	size_t bytes = size;

	(void)ctx;
	if (small || !size || size > SHIM_HUGE || SHIM_HUGE % size) {
		munmap(p, size);
		if (small) {
			*small = NULL;
			shim_small_bytes -= size;
		}
		return;
	}
	for (a = shim_free_arenas; a; a = a->next)
		if (shim_chunk_of(a) == shim_chunk_of(p))
			bytes += size;
	madvise(p, size, MADV_DONTNEED);
	shim_free_push(p);
	if (bytes == SHIM_HUGE)
		shim_chunk_unmap(shim_chunk_of(p));
}

const struct shim_arena_allocator shim_arena_allocator = {
	.alloc = shim_arena_alloc,
	.free = shim_arena_free,
};
