// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Large blocks.
 *
 *     base (multiple of the arena size)
 *     | struct pa_large, 128 bytes | block ...                |
 *
 * With an alignment of more than 128 bytes the block starts at that offset;
 * with one of an arena or more it starts at a multiple of it, the header lies
 * in the 128 bytes before it, and the mapping comes from pa_low.c. The first
 * words of both lines of the header are 0: a slot is never their owner, so the
 * fast path of free passes.
 */
#define _GNU_SOURCE
#include "pa_cache.h"
#include "pa_low.h"
#include "pa_magazine.h"
#include "pa_mapping.h"
#include "pa_options.h"
#include "pa_os.h"
#include "pa_pagemap.h"
#include "pa_refit.h"

#include <errno.h>
#include <sys/mman.h>

/*
 * With thp=auto blocks from this size on get huge pages. A page of them that is
 * touched costs 2 MiB, so a block that is filled from its start is inflated by
 * less than half. mimalloc-bench's malloc-large: 9.6 s without, 3.6 s with them,
 * and the same peak; peaks of other programs: xz -9 of a small file 67.4 and
 * 69.8 MB, xz -3 11.8 and 13.2, sort -S 200M 65.2 and 67.6.
 */
#define PA_LARGE_HUGE_LEAST	(2 * PA_HUGE)

/*
 * What is reallocated in small steps shall not be a system call, and page faults, at each of
 * them. A block that grows gets more address space than it asks for, and up to
 * PA_GROW_COPY it is rather copied to the largest kept mapping: its pages are there. That
 * may be PA_GROW_FACTOR times too large, and have PA_GROW_MOST. Above it that is done for what
 * grows by one PA_GROW_STEP-th at most, and is then likely to go on, and the mapping may be
 * PA_GROW_LARGE times too large.
 */
#define PA_GROW_COPY		(1UL << 20)
#define PA_GROW_FACTOR		32
#define PA_GROW_MOST		(2UL << 20)
#define PA_GROW_STEP		8
#define PA_GROW_LARGE		4
#define PA_GROW_LOOK		(256UL << 10)

/*
 * Of what is kept of blocks that were never used in full, calloc() shall not make memory: from
 * so many bytes on it is looked which pages are there.
 */
#define PA_ZERO_LOOK		(512UL << 10)

static_assert(sizeof(struct pa_large) == 128, "two descriptors");
static_assert(offsetof(struct pa_large, magic) == offsetof(struct pa_arena, magic),
	      "an arena and a large block are told apart by their magic");

/* Page faults are what a large block costs. Huge pages are chosen before the first touch. */
static bool pa_large_is_huge(size_t total)
{
	return pa_options.thp == PA_THP_ALWAYS ? total >= PA_HUGE :
	       pa_options.thp == PA_THP_AUTO && total >= PA_LARGE_HUGE_LEAST && pa_os_is_big();
}

static void pa_large_advise(char *base, size_t total)
{
	int saved = errno;

	madvise(base, total, MADV_HUGEPAGE);
	errno = saved;
}

/* One that was mapped before it was large enough, or the heap. */
static void pa_large_advise_late(struct pa_large *large, size_t total)
{
	if (!pa_large_is_huge(total) || large->flags & PA_LARGE_HUGE)
		return;
	large->flags |= PA_LARGE_HUGE;
	pa_large_advise(large->base, total);
}

static struct pa_large *pa_large_map(size_t total, size_t size, size_t offset, size_t align,
				     bool zero)
{
	size_t front = 0;
	struct pa_large *large;
	char *base;
	bool huge;

	if (!pa_os_charge(total))
		return NULL;
	if (align < PA_ARENA_SIZE) {
		base = pa_refit_reserve(total);
	} else {
		front = align - offset;
		base = total > (size_t)PTRDIFF_MAX - front ? NULL :
			pa_low_reserve(total + front, align);
	}
	if (!base) {
		pa_os_uncharge(total);
		return NULL;
	}
	if (front) {
		munmap(base, front);
		base += front;
	}
	/* Zeros may be for a table of which little will ever be used. */
	huge = !zero && pa_large_is_huge(total);
	if (huge)
		pa_large_advise(base, total);
	large = (struct pa_large *)(align < PA_ARENA_SIZE ? base :
				    base + offset - sizeof(*large));
	large->base = base;
	large->block = base + offset;
	large->mapped = total;
	large->asked = size;
	large->magic = PA_MAGIC_LARGE;
	large->flags = huge ? PA_LARGE_HUGE : 0;
	return large;
}

/* From the thread's magazine. */
static struct pa_mapping *pa_large_own(size_t total, size_t most)
{
	struct pa_mapping *m = pa_magazine_take(total, most);

	if (likely(!m || m->bytes >= total))
		return m;
	pa_large_drop(m);
	return NULL;
}

/* From the cache. */
static struct pa_mapping *pa_large_cached(size_t total, size_t most, bool largest)
{
	struct pa_mapping *m;

	pa_large_lock();
	m = pa_cache_take(total, most, largest);
	if (m)
		pa_large_account(m, true);
	pa_large_unlock();
	return m;
}

/* A kept mapping, or NULL, is used again. Return: its block, or NULL. */
static void *pa_large_wake(struct pa_mapping *m, size_t size)
{
	if (!m)
		return NULL;
	pa_large_advise_late(m->large, m->bytes);
	m->large->asked = size;
	WRITE_ONCE(m->stamp, PA_MAPPING_LIVE);
	return m->large + 1;
}

static void pa_large_missed(size_t total)
{
	pa_large_lock();
	pa_cache_missed(total, pa_large_bytes);
	pa_large_unlock();
}

/* A block whose mapping was kept, or is made of one that was; or NULL. */
static void *pa_large_reuse(size_t total, size_t size)
{
	size_t most = pa_cache_usual(total);
	struct pa_mapping *m;

	pa_large_settle();
	m = pa_large_own(total, total * 2);
	if (!m)
		m = pa_large_cached(total, most, false);
	if (!m)
		m = pa_refit_cut(total);
	if (!m)
		m = pa_refit_stretch(total);
	if (!m) {
		pa_large_drop_own();
		m = pa_large_cached(total, most, false);
		if (!m)
			m = pa_refit_stretch(total);
	}
	if (!m)
		pa_large_missed(total);
	return pa_large_wake(m, size);
}

/*
 * Likewise, one for a block that grows, and is going to be copied there. Above PA_GROW_COPY,
 * where that is work, it must be twice as large as it need be.
 */
static void *pa_large_reuse_to_grow(size_t total, size_t size)
{
	bool little = total <= PA_GROW_COPY;
	size_t least = little ? total : total * 2;
	size_t most = little ? total * PA_GROW_FACTOR : total * PA_GROW_LARGE;
	struct pa_mapping *m;

	if (little && most > PA_GROW_MOST)
		most = PA_GROW_MOST;
	pa_large_settle();
	m = pa_large_own(least, most);
	if (!m)
		m = pa_large_cached(least, most, true);
	if (!m && little)
		pa_large_missed(total);
	return pa_large_wake(m, size);
}

/*
 * Shall a block that grows be copied, if there is room somewhere? Above PA_GROW_COPY only if
 * it seems to have been written to: of what it asked for the last PA_GROW_LOOK are there.
 */
static bool pa_large_may_copy(const struct pa_large *large, size_t total, size_t size)
{
	const size_t pages = PA_GROW_LOOK / pa_page_size;
	uintptr_t end;

	if (total <= PA_GROW_COPY)
		return true;
	if (total >= SIZE_MAX / PA_GROW_LARGE || large->asked < PA_GROW_COPY / 2 ||
	    size - large->asked > large->asked / PA_GROW_STEP)
		return false;
	end = ((uintptr_t)large->block + large->asked) & ~(pa_page_size - 1);
	return pa_pages_there((char *)end - PA_GROW_LOOK, pages) == pages;
}

/* Bytes of a mapping. */
static size_t pa_large_total(size_t offset, size_t size)
{
	return (offset + size + pa_page_size - 1) & ~(pa_page_size - 1);
}

/* And with what a growing block gets more. */
static size_t pa_large_total_to_grow(size_t offset, size_t size)
{
	size_t total = pa_large_total(offset, size);

	return total + (total / (total < PA_GROW_COPY ? 2 : 8) & ~(pa_page_size - 1));
}

/* Charges what a block of @old bytes grows by. Return: bytes it may have then, or 0. */
static size_t pa_large_charge(size_t offset, size_t size, size_t old)
{
	size_t total = pa_large_total_to_grow(offset, size);

	if (pa_os_charge(total - old))
		return total;
	total = pa_large_total(offset, size);
	return pa_os_charge(total - old) ? total : 0;
}

/* A block in a new mapping of @total bytes. */
static void *pa_large_new(size_t total, size_t size, size_t offset, size_t align, bool zero)
{
	bool nested = pa_thread.level, listed = false;
	struct pa_large *large;

	if (pa_os_inject_failure())
		return NULL;
	if (!nested)
		pa_os_make_room(total);
	large = pa_large_map(total, size, offset, align, zero);
	if (!large && !nested && pa_os_reclaim())
		large = pa_large_map(total, size, offset, align, zero);
	if (!large)
		return NULL;
	if (!nested) {
		pa_large_lock();
		listed = pa_large_register(large);
		pa_large_unlock();
	}
	if (!listed) {
		large->flags |= PA_LARGE_UNLISTED;
		pa_unlisted_account(large, true);
	}
	return large->block;
}

/* Zeros for a block whose mapping was kept. */
static void *pa_large_zero(void *block, size_t size)
{
	struct pa_large *large = (struct pa_large *)block - 1;
	size_t end = sizeof(*large) + size;

	if (size < PA_ZERO_LOOK || large->there >= end)
		return memset(block, 0, size);
	if (pa_pages_zero(block, size))
		large->there = end;
	return block;
}

/**
 * pa_large_alloc() - allocate a block with a mapping of its own
 * @size: bytes
 * @align: a power of two
 * @zero: the block must read as zeros
 *
 * Context: any, also inside a slow path: then no lock is taken.
 * Return: the block, or NULL. errno is left alone.
 */
void *pa_large_alloc(size_t size, size_t align, bool zero)
{
	size_t offset = align <= sizeof(struct pa_large) ? sizeof(struct pa_large) :
			align < PA_ARENA_SIZE ? align : pa_page_size;
	size_t total;

	/* The first word is read to find the owner: it must be there. */
	size = size < sizeof(u64) ? sizeof(u64) : size;
	if (size > (size_t)PTRDIFF_MAX - offset - pa_page_size)
		return NULL;
	total = pa_large_total(offset, size);

	if (!pa_thread.level && offset == sizeof(struct pa_large)) {
		void *block = pa_large_reuse(total, size);

		if (block)
			return zero ? pa_large_zero(block, size) : block;
	}
	return pa_large_new(total, size, offset, align, zero);
}

/**
 * pa_large_grow() - a block for one that grows, and is to be copied there
 * @size: bytes
 *
 * Context: any, as pa_large_alloc().
 * Return: the block, or NULL. errno is left alone.
 */
void *pa_large_grow(size_t size)
{
	size_t offset = sizeof(struct pa_large);
	void *block = NULL;

	if (!pa_thread.level && size <= (size_t)PTRDIFF_MAX / 2) {
		size_t total = pa_large_total(offset, size);

		if (total <= PA_GROW_COPY)
			block = pa_large_reuse_to_grow(total, size);
		if (!block)
			block = pa_large_new(pa_large_total_to_grow(offset, size), size, offset, 16,
					     false);
	}
	return block ? block : pa_large_alloc(size, 16, false);
}

/*
 * A block becomes smaller: the pages that it no longer needs become a mapping of their own,
 * and that is kept.
 * Return: false: it may not be kept, or is not worth it; nothing has changed.
 */
static bool pa_large_shrink(struct pa_large *large, size_t total, size_t size)
{
	size_t bytes;
	bool kept;

	if (large->flags & PA_LARGE_HUGE)
		total = (total + PA_HUGE - 1) & ~(PA_HUGE - 1);
	bytes = large->mapped > total ? large->mapped - total : 0;
	if (bytes < PA_CUT_LEAST)
		return false;
	pa_large_lock();
	kept = pa_cache_has_room(bytes, pa_large_bytes - bytes) &&
	       pa_refit_keep_tail(large->mapping, bytes);
	pa_large_unlock();
	if (!kept)
		return false;
	large->asked = size;
	pa_large_keep_less();
	return true;
}

/**
 * pa_large_resize() - change the size of a large block
 * @large: its header; not pa_large_stays()
 * @size: new size in bytes
 *
 * Grows by copying to a kept mapping, in place, or by moving pages; a growing block
 * gets more address space than it needs (PA_GROW_COPY), if the limit lets it. The pages
 * that a smaller one loses are kept as those of a freed block would be, or go back.
 *
 * Return: the block, perhaps elsewhere, or NULL: the caller must copy.
 */
void *pa_large_resize(struct pa_large *large, size_t size)
{
	size_t offset = (size_t)(large->block - large->base);
	size_t old = large->mapped, total;
	struct pa_large *moved;
	struct pa_mapping *m;
	int saved = errno;

	if ((char *)large != large->base || pa_thread.level ||
	    large->flags & PA_LARGE_UNLISTED || size > (size_t)PTRDIFF_MAX / 2)
		return NULL;
	total = pa_large_total(offset, size);
	if (total > old) {
		void *block = pa_large_may_copy(large, total, size) ?
			pa_large_reuse_to_grow(total, size) : NULL;

		errno = saved;
		if (block) {
			memcpy(block, large->block, old - offset);
			pa_large_free(large);
			return block;
		}
		if (pa_os_inject_failure())
			return NULL;
		total = pa_large_charge(offset, size, old);
		if (!total)
			return NULL;
	}
	if (total > old)
		pa_os_make_room(total - old);
	m = large->mapping;
	if (total < old && pa_large_shrink(large, total, size))
		return large->block;
	pa_large_lock();
	moved = pa_refit_remap(large, total);
	if (moved) {
		pa_large_set_mapped(moved, total);
		moved->asked = size;
		m->large = moved;
		pa_large_account_size(m, total);
	}
	pa_large_unlock();

	errno = saved;
	if (moved && total > old)
		pa_large_advise_late(moved, total);
	if (moved && total < old)
		pa_os_uncharge(old - total);
	if (!moved && total > old)
		pa_os_uncharge(total - old);
	return moved ? moved->block : NULL;
}
