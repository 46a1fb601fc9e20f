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
#include "pa_options.h"
#include "pa_os.h"

#include <errno.h>
#include <sys/mman.h>

/* Mapped inside a slow path: on no list, no lock may be taken for it. */
#define PA_LARGE_UNLISTED	1u

static_assert(sizeof(struct pa_large) == 128, "two descriptors");
static_assert(offsetof(struct pa_large, magic) == offsetof(struct pa_arena, magic),
	      "an arena and a large block are told apart by their magic");

static pa_lock_t pa_large_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Under pa_large_mutex. */
static struct pa_large *pa_large_list;
static u64 pa_large_blocks;
static u64 pa_large_bytes;

static struct pa_stack pa_large_deferred;
/* Atomic: those on no list. */
static u64 pa_unlisted_blocks;
static u64 pa_unlisted_bytes;

void pa_large_lock(void)
{
	pa_lock(&pa_large_mutex);
}

void pa_large_unlock(void)
{
	pa_unlock(&pa_large_mutex);
}

void pa_large_fork_child(void)
{
	pa_lock_init(&pa_large_mutex);
}

static void pa_unlisted_account(const struct pa_large *large, bool add)
{
	__atomic_fetch_add(&pa_unlisted_blocks, add ? 1 : (u64)-1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&pa_unlisted_bytes, add ? large->mapped : -large->mapped,
			   __ATOMIC_RELAXED);
}

static void pa_large_list_add(struct pa_large *large)
{
	large->prev = NULL;
	large->next = pa_large_list;
	if (pa_large_list)
		pa_large_list->prev = large;
	pa_large_list = large;
	WRITE_ONCE(pa_large_blocks, pa_large_blocks + 1);
	WRITE_ONCE(pa_large_bytes, pa_large_bytes + large->mapped);
}

static void pa_large_list_del(struct pa_large *large)
{
	if (large->prev)
		large->prev->next = large->next;
	else
		pa_large_list = large->next;
	if (large->next)
		large->next->prev = large->prev;
	WRITE_ONCE(pa_large_blocks, pa_large_blocks - 1);
	WRITE_ONCE(pa_large_bytes, pa_large_bytes - large->mapped);
}

static void pa_large_unmap(struct pa_large *large)
{
	size_t mapped = large->mapped;
	int saved = errno;

	/* A full map table can refuse to split a mapping: keep the pages at least. */
	if (munmap(large->base, mapped))
		madvise(large->base, mapped, MADV_DONTNEED);
	pa_os_uncharge(mapped);
	errno = saved;
}

/* Frees what signal handlers and the like have left; the lock is not held. */
static void pa_large_settle(void)
{
	struct pa_qnode *q = pa_stack_take(&pa_large_deferred);

	while (q) {
		struct pa_large *large = container_of(q, struct pa_large, qlink);

		q = q->next;
		pa_large_free(large);
	}
}

static struct pa_large *pa_large_map(size_t total, size_t offset, size_t align)
{
	size_t front = 0;
	struct pa_large *large;
	char *base;

	if (!pa_os_charge(total))
		return NULL;
	if (align < PA_ARENA_SIZE) {
		base = pa_os_reserve(total, PA_ARENA_SIZE);
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
	large = (struct pa_large *)(align < PA_ARENA_SIZE ? base :
				    base + offset - sizeof(*large));
	large->base = base;
	large->block = base + offset;
	large->mapped = total;
	large->magic = PA_MAGIC_LARGE;
	return large;
}

/* A block out of the cache, or NULL. */
static struct pa_large *pa_large_cached(size_t total)
{
	struct pa_large *large;

	pa_large_settle();
	pa_large_lock();
	large = pa_cache_take(total);
	if (!large)
		large = pa_cache_grow(total);
	if (large)
		pa_large_list_add(large);
	else
		pa_cache_missed(total);
	pa_large_unlock();
	return large;
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
	struct pa_large *large = NULL;
	bool nested = pa_thread.level;
	size_t total;

	/* The first word is read to find the owner: it must be there. */
	size = size < sizeof(u64) ? sizeof(u64) : size;
	if (size > (size_t)PTRDIFF_MAX - offset - pa_page_size)
		return NULL;
	total = (offset + size + pa_page_size - 1) & ~(pa_page_size - 1);

	if (!nested && offset == sizeof(struct pa_large))
		large = pa_large_cached(total);
	if (large)
		return zero ? memset(large->block, 0, size) : large->block;

	if (pa_os_inject_failure())
		return NULL;
	if (!nested)
		pa_os_make_room(total);
	large = pa_large_map(total, offset, align);
	if (!large && !nested && pa_os_reclaim())
		large = pa_large_map(total, offset, align);
	if (!large)
		return NULL;
	if (nested) {
		large->flags = PA_LARGE_UNLISTED;
		pa_unlisted_account(large, true);
	} else {
		pa_large_lock();
		pa_large_list_add(large);
		pa_large_unlock();
	}
	return large->block;
}

/**
 * pa_large_of() - the header of a large block
 * @p: a pointer from the caller
 *
 * Return: the header, NULL if @p is not a large block.
 */
struct pa_large *pa_large_of(const void *p)
{
	struct pa_large *large = (uintptr_t)p & PA_ARENA_MASK ?
		(struct pa_large *)pa_arena_of(p) : (struct pa_large *)p - 1;

	return large->magic == PA_MAGIC_LARGE && large->block == p ? large : NULL;
}

size_t pa_large_usable(const struct pa_large *large)
{
	return (size_t)(large->base + large->mapped - large->block);
}

/**
 * pa_large_free() - free a large block
 * @large: its header
 *
 * Context: any. Inside a slow path it is only noted.
 */
void pa_large_free(struct pa_large *large)
{
	bool keep;

	if (large->flags & PA_LARGE_UNLISTED) {
		pa_unlisted_account(large, false);
		pa_large_unmap(large);
		return;
	}
	if (pa_thread.level) {
		pa_stack_push(&pa_large_deferred, &large->qlink);
		return;
	}
	pa_large_lock();
	pa_large_list_del(large);
	keep = pa_cache_put(large);
	pa_large_unlock();
	if (!keep)
		pa_large_unmap(large);
}

/* Moves the pages, not the bytes, to where there is room for more. */
static struct pa_large *pa_large_move(struct pa_large *large, size_t total)
{
	struct pa_large *moved;
	char *to = pa_os_reserve(total, PA_ARENA_SIZE);
	size_t offset = (size_t)(large->block - large->base);

	if (!to)
		return NULL;
	if (mremap(large->base, large->mapped, total, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to) == MAP_FAILED) {
		munmap(to, total);
		return NULL;
	}
	moved = (struct pa_large *)to;
	moved->base = to;
	moved->block = to + offset;
	return moved;
}

static struct pa_large *pa_large_remap(struct pa_large *large, size_t total)
{
	if (mremap(large->base, large->mapped, total, 0) != MAP_FAILED)
		return large;
	if (total < large->mapped)
		return NULL;
	return pa_large_move(large, total);
}

/**
 * pa_large_resize() - change the size of a large block
 * @large: its header
 * @size: new size in bytes
 *
 * Grows in place or by moving pages; a growing block gets an eighth more
 * address space than it needs, so that appending is not a system call each
 * time. Shrinking gives the pages behind it back.
 *
 * Return: the block, perhaps elsewhere, or NULL: the caller must copy.
 */
void *pa_large_resize(struct pa_large *large, size_t size)
{
	size_t offset = (size_t)(large->block - large->base);
	size_t old = large->mapped, total;
	struct pa_large *moved;
	int saved = errno;

	if ((char *)large != large->base || pa_thread.level ||
	    large->flags & PA_LARGE_UNLISTED || size > (size_t)PTRDIFF_MAX / 2)
		return NULL;
	total = (offset + size + pa_page_size - 1) & ~(pa_page_size - 1);
	if (total <= old && total > old / 4 * 3)
		return large->block;
	if (total > old) {
		total += total / 8 & ~(pa_page_size - 1);
		if (pa_os_inject_failure() || !pa_os_charge(total - old))
			return NULL;
	}
	if (total > old)
		pa_os_make_room(total - old);
	pa_large_lock();
	pa_large_list_del(large);
	moved = pa_large_remap(large, total);
	if (moved)
		moved->mapped = total;
	pa_large_list_add(moved ? moved : large);
	pa_large_unlock();

	errno = saved;
	if (moved && total < old)
		pa_os_uncharge(old - total);
	if (!moved && total > old)
		pa_os_uncharge(total - old);
	return moved ? moved->block : NULL;
}

/**
 * pa_large_purge() - unmap what the cache has kept long enough, some of it
 * @now: pa_os_clock()
 * @delay: ms it is kept; 0 for all
 * @most: bytes that are enough
 *
 * Return: bytes given back; 0 if there was nothing to do.
 */
size_t pa_large_purge(u64 now, u64 delay, size_t most)
{
	struct pa_large *old, *next;
	size_t bytes = 0;

	if (pa_thread.level)
		return 0;
	pa_large_settle();
	pa_large_lock();
	old = pa_cache_old(now, delay, most);
	pa_large_unlock();
	for (; old; old = next) {
		next = old->next;
		bytes += old->mapped;
		pa_large_unmap(old);
	}
	return bytes;
}

/**
 * pa_large_purge_all() - unmap all that the cache has
 *
 * Return: bytes.
 */
size_t pa_large_purge_all(void)
{
	size_t bytes = 0, some;

	while ((some = pa_large_purge(pa_os_clock(), 0, SIZE_MAX)))
		bytes += some;
	return bytes;
}

void pa_large_count(u64 *blocks, u64 *bytes)
{
	*blocks = READ_ONCE(pa_large_blocks) + READ_ONCE(pa_unlisted_blocks);
	*bytes = READ_ONCE(pa_large_bytes) + READ_ONCE(pa_unlisted_bytes);
}

struct pa_large_seen {
	void *block;
	size_t size;
};

/* Fills @seen with what there is now. Return: how many, or would be. */
static size_t pa_large_snapshot(struct pa_large_seen *seen, size_t most)
{
	struct pa_large *l;
	size_t n = 0;

	pa_large_lock();
	for (l = pa_large_list; l; l = l->next, n++) {
		if (n < most) {
			seen[n].block = l->block;
			seen[n].size = pa_large_usable(l);
		}
	}
	pa_large_unlock();
	return n;
}

/**
 * pa_large_walk() - visit every large block
 * @visitor: as for pa_walk()
 * @ctx: for the visitor
 *
 * Goes over a copy of the list, so the visitor may allocate and free.
 * Return: 0, what the visitor returned, or -1 with errno ENOMEM.
 */
int pa_large_walk(int (*visitor)(void *ctx, void *block, size_t size), void *ctx)
{
	size_t n = pa_large_snapshot(NULL, 0) + 16;
	size_t bytes = (n * sizeof(struct pa_large_seen) + pa_page_size - 1) &
		       ~(pa_page_size - 1);
	struct pa_large_seen *seen = pa_os_reserve(bytes, pa_page_size);
	size_t i, have;
	int ret = 0;

	if (!seen) {
		errno = ENOMEM;
		return -1;
	}
	have = pa_large_snapshot(seen, n);
	for (i = 0; i < have && i < n && !ret; i++)
		ret = visitor(ctx, seen[i].block, seen[i].size);
	munmap(seen, bytes);
	return ret;
}
