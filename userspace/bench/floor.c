// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * floor: the shortest allocator that can be loaded with LD_PRELOAD. One free
 * list per class (steps of 16 bytes to 1 KiB, powers of two above), memory cut
 * from one reservation and never given back, a block's class in the word before
 * it. No locks, so for single-threaded programs only. Nothing real can be much
 * faster on the fast path: it marks the floor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define SMALL		1024
#define SMALL_CLASSES	(SMALL / 16 + 1)
#define RESERVE		(1UL << 34)
#define CLASS_OF(p)	(((size_t *)(p))[-1])
#define unlikely(x)	__builtin_expect(!!(x), 0)

struct block {
	struct block *next;
};

static struct block *bins[SMALL_CLASSES + 64];
static char *cut, *end;

static inline size_t floor_class(size_t n)
{
	if (unlikely(n > SMALL))
		return SMALL_CLASSES + 53 - __builtin_clzl(n - 1);
	return (n + 15) / 16;
}

static size_t floor_bytes(size_t class)
{
	if (class < SMALL_CLASSES)
		return class * 16;
	return 2UL * SMALL << (class - SMALL_CLASSES);
}

/* @bytes of fresh memory, of which the first is aligned to @align >= 16. */
static __attribute__((cold, noinline)) void *floor_cut(size_t class, size_t align)
{
	size_t bytes = floor_bytes(class);
	uintptr_t p;

	if (!cut) {
		cut = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		end = cut == MAP_FAILED ? NULL : cut + RESERVE;
		cut = end ? cut : NULL;
	}
	p = ((uintptr_t)cut + 8 + align - 1) & -align;
	if (bytes >= RESERVE || p + bytes >= (uintptr_t)end) {
		errno = ENOMEM;
		return NULL;
	}
	cut = (char *)p + bytes;
	CLASS_OF(p) = class;
	return (void *)p;
}

void *malloc(size_t n)
{
	size_t class = floor_class(n);
	struct block *b = bins[class];

	if (unlikely(!b))
		return floor_cut(class, 16);
	bins[class] = b->next;
	return b;
}

void free(void *p)
{
	struct block *b = p;
	size_t class;

	if (unlikely(!p))
		return;
	class = CLASS_OF(p);
	b->next = bins[class];
	bins[class] = b;
}

size_t malloc_usable_size(void *p)
{
	return p ? floor_bytes(CLASS_OF(p)) : 0;
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	p = malloc(bytes);
	return p ? memset(p, 0, bytes) : NULL;
}

void *realloc(void *p, size_t n)
{
	size_t have = malloc_usable_size(p);
	void *q;

	if (p && n <= have)
		return p;
	q = malloc(n);
	if (q && p) {
		memcpy(q, p, have);
		free(p);
	}
	return q;
}

void *memalign(size_t align, size_t n)
{
	return align <= 16 ? malloc(n) : floor_cut(floor_class(n), align);
}

void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	*out = memalign(align, n);
	return *out ? 0 : ENOMEM;
}
