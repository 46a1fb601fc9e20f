// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Where blocks lie that are aligned to an arena or more.
 *
 * free() finds a block's owner in the first descriptor of the arena that its
 * pointer is masked to. A block at a multiple of the arena size has its user's
 * bytes there: when they happen to be the address of the caller's slot, the
 * fast path would take the block for one of a pool of its own. So these blocks
 * lie below pa_lowest, under which every free goes the slow way, which looks
 * at the alignment first. It costs nothing: the fast path compares with
 * pa_lowest anyhow, for NULL.
 *
 * They get address space of their own, below everything that mmap() returns
 * when it may choose, so that no other block gets slower. Where that is taken,
 * pa_lowest rises above a block that lies elsewhere; what is below it is freed
 * as correctly as before, a little slower.
 */
#define _GNU_SOURCE
#include "pa_low.h"
#include "pa_os.h"
#include "pa_user.h"

#include <errno.h>

/* 1 to 16 TiB, free on x86-64 but for sanitizers. Each process starts elsewhere in it. */
#define PA_LOW_START	(1UL << 40)
#define PA_LOW_END	(1UL << 44)
#define PA_LOW_TRIES	16

static uintptr_t pa_low_next;	/* atomic */

/* Sanitizers that end a program whose memory lies where they do not expect it. */
extern void __tsan_init(void) __attribute__((weak));
extern void __msan_init(void) __attribute__((weak));

/* The next piece of it, which may be in use. 0: it is too large. */
static uintptr_t pa_low_pick(size_t size, size_t align)
{
	uintptr_t at, next = READ_ONCE(pa_low_next);

	if (align > PA_LOW_END / 2 || size > PA_LOW_END / 4)
		return 0;
	do {
		at = next ? next :
			    PA_LOW_START + ((uintptr_t)&pa_low_next >> 12 << 20) % (PA_LOW_END / 2);
		at = (at + align - 1) & ~(align - 1);
		if (at + size > PA_LOW_END)
			at = (PA_LOW_START + align - 1) & ~(align - 1);
		if (at + size > PA_LOW_END)
			return 0;
	} while (!try_cmpxchg(&pa_low_next, &next, at + size));
	return at;
}

static void *pa_low_map(size_t size, size_t align)
{
	unsigned int i;

	if (__tsan_init || __msan_init)
		return NULL;
	for (i = 0; i < PA_LOW_TRIES; i++) {
		uintptr_t at = pa_low_pick(size, align);
		int err = at ? pa_os_map_at((void *)at, size) : -ENOMEM;

		if (!err)
			return (void *)at;
		if (err != -EEXIST)
			return NULL;
	}
	return NULL;
}

/**
 * pa_low_reserve() - map memory for a block that is aligned to an arena or more
 * @size: bytes, a multiple of the page size
 * @align: a power of two, at least the size of an arena
 *
 * Context: any; leaves errno alone.
 * Return: zeroed memory at a multiple of @align, or NULL. All of it is below
 * pa_lowest.
 */
void *pa_low_reserve(size_t size, size_t align)
{
	uintptr_t lowest = READ_ONCE(pa_lowest);
	char *p = pa_low_map(size, align);

	if (!p)
		p = pa_os_reserve(size, align);
	if (!p)
		return NULL;
	/* Before anybody has the block: who frees it sees this. */
	while (lowest < (uintptr_t)p + size &&
	       !try_cmpxchg(&pa_lowest, &lowest, (uintptr_t)p + size))
		;
	return p;
}
