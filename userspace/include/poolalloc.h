/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * poolalloc: a pool allocator for small objects, native interface.
 *
 * Link with -lpoolalloc. Every function may be called by any thread, without
 * registration; none is async-signal-safe. Blocks may be freed by any thread.
 */
#ifndef POOLALLOC_H
#define POOLALLOC_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define POOLALLOC_ATTR(...) __attribute__((__VA_ARGS__))
#else
#define POOLALLOC_ATTR(...)
#endif

#ifdef __cplusplus
#define POOLALLOC_NOTHROW noexcept
extern "C" {
#else
#define POOLALLOC_NOTHROW POOLALLOC_ATTR(nothrow)
#endif

#define POOLALLOC_VERSION_MAJOR 0
#define POOLALLOC_VERSION_MINOR 1

/* Number of size classes, and the largest size they serve, in bytes. */
#define POOLALLOC_CLASSES 128
#define POOLALLOC_CLASS_MAX 131072

/**
 * poolalloc_free() - free a block
 * @p: a block from any function here, or NULL
 *
 * Context: any thread, not a signal handler. Leaves errno alone.
 */
void poolalloc_free(void *p) POOLALLOC_NOTHROW;

/**
 * poolalloc_alloc() - allocate a block
 * @size: bytes; 0 is treated as 1
 *
 * Sizes up to 512 are rounded up to a multiple of 8, sizes up to 128 KiB by at
 * most an eighth, larger ones get a mapping of their own. The block is aligned
 * to the largest power of two that divides its rounded size (to 4096 at most;
 * large blocks to at least 16).
 *
 * Return: the block, or NULL with errno ENOMEM.
 */
void *poolalloc_alloc(size_t size) POOLALLOC_NOTHROW
	POOLALLOC_ATTR(malloc, alloc_size(1), warn_unused_result);

/**
 * poolalloc_zalloc() - allocate a block of zeros
 * @size: bytes, as for poolalloc_alloc()
 *
 * Return: the block, or NULL with errno ENOMEM.
 */
void *poolalloc_zalloc(size_t size) POOLALLOC_NOTHROW
	POOLALLOC_ATTR(malloc, alloc_size(1), warn_unused_result);

/**
 * poolalloc_realloc() - change the size of a block
 * @p: a block, or NULL: then it is poolalloc_alloc()
 * @size: new size in bytes; 0 is treated as 1, it does not free
 *
 * The block stays where it is when its rounded size stays the same, and when
 * it shrinks to more than three quarters (and some to less, see userspace/README.md).
 *
 * Return: the block, perhaps moved, or NULL with errno ENOMEM: then @p is
 * still valid and unchanged.
 */
void *poolalloc_realloc(void *p, size_t size) POOLALLOC_NOTHROW
	POOLALLOC_ATTR(alloc_size(2), warn_unused_result);

/**
 * poolalloc_alloc_aligned() - allocate an aligned block
 * @align: a power of two
 * @size: bytes, as for poolalloc_alloc()
 *
 * Return: the block, or NULL with errno ENOMEM, or EINVAL if @align is not a
 * power of two.
 */
void *poolalloc_alloc_aligned(size_t align, size_t size) POOLALLOC_NOTHROW
	POOLALLOC_ATTR(malloc, alloc_align(1), alloc_size(2), warn_unused_result);

/**
 * poolalloc_free_sized() - free a block whose size is known
 * @p: a block, or NULL
 * @size: the size it was asked for with, or any that rounds up to the same
 *
 * At least as fast as poolalloc_free(), and a wrong @size is not relied on.
 */
void poolalloc_free_sized(void *p, size_t size) POOLALLOC_NOTHROW;

/**
 * poolalloc_free_rcu() - free a block after a grace period
 * @p: a block, or NULL
 *
 * Readers must use liburcu's bp flavour. The first call starts a helper
 * thread. The block is freed after all read-side critical sections of today
 * have ended.
 *
 * Context: any thread, also inside a read-side critical section.
 */
void poolalloc_free_rcu(void *p) POOLALLOC_NOTHROW;

/**
 * poolalloc_alloc_bulk() - allocate several blocks of one size
 * @size: bytes of each, as for poolalloc_alloc()
 * @n: how many
 * @out: array of @n pointers
 *
 * Return: how many there were. If fewer than @n, errno is ENOMEM; the first
 * entries of @out are valid and the rest is not written.
 */
size_t poolalloc_alloc_bulk(size_t size, size_t n, void **out) POOLALLOC_NOTHROW;

/**
 * poolalloc_free_bulk() - free several blocks
 * @n: how many
 * @ptrs: blocks of any size; NULL entries are skipped
 */
void poolalloc_free_bulk(size_t n, void **ptrs) POOLALLOC_NOTHROW;

/**
 * poolalloc_usable_size() - bytes that may be used
 * @p: a block, or NULL
 *
 * Return: at least what was asked for; all of it may be written. 0 for NULL.
 */
size_t poolalloc_usable_size(const void *p) POOLALLOC_NOTHROW;

/**
 * poolalloc_trim() - give back all memory that holds no block
 *
 * Other threads keep what they cache. May wait for a grace period.
 *
 * Context: any thread, not a signal handler.
 * Return: bytes given back to the system.
 */
size_t poolalloc_trim(void) POOLALLOC_NOTHROW;

/**
 * struct poolalloc_class_stats - one size class
 * @size: bytes of a block
 * @pools: pools of the class
 * @live: blocks in the program's hands
 * @free: blocks ready to be allocated
 * @pending: blocks freed by other threads and not taken over yet
 * @uncarved_bytes: memory of the pools never cut into blocks
 */
struct poolalloc_class_stats {
	uint64_t size;
	uint64_t pools;
	uint64_t live;
	uint64_t free;
	uint64_t pending;
	uint64_t uncarved_bytes;
};

/**
 * struct poolalloc_stats - the whole heap
 * @arena_bytes: size of an arena
 * @pool_bytes: size of a pool
 * @arenas: arenas mapped; arenas x arena_bytes = live_bytes + free_bytes +
 *	descriptor_bytes + uncarved_bytes
 * @arenas_peak: the most there ever were
 * @live_blocks: blocks in the program's hands, without large ones
 * @live_bytes: the same in bytes
 * @free_bytes: bytes of free and pending blocks
 * @descriptor_bytes: bytes of descriptors
 * @uncarved_bytes: bytes never cut into blocks
 * @large_blocks: blocks with mappings of their own
 * @large_bytes: bytes of these mappings
 * @cls: one entry per class, by size
 */
struct poolalloc_stats {
	uint64_t arena_bytes;
	uint64_t pool_bytes;
	uint64_t arenas;
	uint64_t arenas_peak;
	uint64_t live_blocks;
	uint64_t live_bytes;
	uint64_t free_bytes;
	uint64_t descriptor_bytes;
	uint64_t uncarved_bytes;
	uint64_t large_blocks;
	uint64_t large_bytes;
	struct poolalloc_class_stats cls[POOLALLOC_CLASSES];
};

/**
 * poolalloc_stats() - read the statistics
 * @stats: is filled
 *
 * Exact while no other thread allocates or frees.
 *
 * Return: 0, or -1 with errno EINVAL if @stats is NULL.
 */
int poolalloc_stats(struct poolalloc_stats *stats) POOLALLOC_NOTHROW;

/* Takes @len bytes of text, which is not terminated. */
typedef void (*poolalloc_writer)(void *ctx, const char *text, size_t len);

enum poolalloc_format {
	POOLALLOC_TEXT,		/* as /proc/poolalloc */
};

/**
 * poolalloc_stats_write() - write the statistics
 * @writer: called with pieces of the text
 * @ctx: for the writer
 * @format: POOLALLOC_TEXT
 *
 * Allocates nothing itself.
 *
 * Return: 0, or -1 with errno EINVAL (unknown format, no writer).
 */
int poolalloc_stats_write(poolalloc_writer writer, void *ctx,
			  enum poolalloc_format format);

/* Called with a live block and its usable size; not 0 ends the walk. */
typedef int (*poolalloc_visitor)(void *ctx, void *block, size_t size);

/**
 * poolalloc_walk() - visit every live block
 * @visitor: called for each block; may allocate and free
 * @ctx: for the visitor
 *
 * Exact for blocks that nobody allocates or frees during the walk.
 *
 * Return: 0, or the first other value that the visitor returned; -1 with
 * errno EINVAL if there is no visitor.
 */
int poolalloc_walk(poolalloc_visitor visitor, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
