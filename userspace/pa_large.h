/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Large blocks: more than 128 KiB, or aligned to more than a page, or more than
 * 32 KiB and asked for as zeros or grown so large. Each has a mapping of its own that begins at a
 * multiple of the arena size, so that its pointer can be masked to a descriptor
 * like any other.
 */
#ifndef PA_LARGE_H
#define PA_LARGE_H

#include "pa_heap.h"

/* struct pa_mapping: @stamp of a block that is in use, and of an entry that has no block. */
#define PA_MAPPING_LIVE		(~0ULL)
#define PA_MAPPING_NONE		(~0ULL - 1)

/* struct pa_large: @flags. */
/* Mapped inside a slow path: in no table, no lock may be taken for it. */
#define PA_LARGE_UNLISTED	1u
/* Huge pages were asked for. */
#define PA_LARGE_HUGE		2u

/**
 * struct pa_mapping - the entry of a large block in the table of all
 * @large: the header
 * @bytes: bytes of the mapping
 * @stamp: when the block was freed, if its mapping is kept; or one of the above
 * @next: in the cache, or among the entries that nothing uses
 *
 * It belongs to the block while that is in use; when it is freed to who changed
 * @stamp from PA_MAPPING_LIVE, until it is in a magazine or the cache. The cache
 * and the unused entries are under pa_large_mutex; moving a block in use is, too.
 * It is apart from the header so that looking for a mapping that is kept does
 * not touch one page of each.
 */
struct pa_mapping {
	struct pa_large *large;
	size_t bytes;
	u64 stamp;
	struct pa_mapping *next;
} __attribute__((aligned(64)));	/* a cache line: neighbours are other threads' */

/**
 * struct pa_large - header of a large block
 * @no_owner: 0, where a pool has its owner
 * @mapping: its entry in the table
 * @block: what the caller has
 * @mapped: bytes of the mapping
 * @base: where the mapping begins
 * @asked: bytes that were asked for last, so that growing and shrinking are told apart
 * @magic: where an arena has it: PA_MAGIC_LARGE
 * @flags: see above
 * @there: bytes of the mapping from its beginning on whose pages are known to be there
 * @no_owner_either: 0, where the second descriptor has its owner
 * @qlink: freed inside a slow path, waiting for who can take the lock
 */
struct pa_large {
	u64 no_owner;
	struct pa_mapping *mapping;
	char *block;
	size_t mapped;
	char *base;
	size_t asked;
	u32 magic;
	u32 flags;
	size_t there;
	u64 no_owner_either;
	struct pa_qnode qlink;
	u64 rest[6];
};

/* What is known of the pages that it loses is forgotten. */
static inline void pa_large_set_mapped(struct pa_large *large, size_t bytes)
{
	large->mapped = bytes;
	if (large->there > bytes)
		large->there = bytes;
}

/**
 * pa_large_of() - the header of a large block
 * @p: a pointer from the caller
 *
 * Return: the header, NULL if @p is not a large block.
 */
static inline struct pa_large *pa_large_of(const void *p)
{
	struct pa_large *large = (uintptr_t)p & PA_ARENA_MASK ?
		(struct pa_large *)pa_arena_of(p) : (struct pa_large *)p - 1;

	return large->magic == PA_MAGIC_LARGE && large->block == p ? large : NULL;
}

static inline size_t pa_large_usable(const struct pa_large *large)
{
	return (size_t)(large->base + large->mapped - large->block);
}

/* Does a large block have room for @size bytes, and ask for no fewer than a quarter less? */
static inline bool pa_large_stays(struct pa_large *large, size_t size)
{
	if (size > pa_large_usable(large) || size <= large->asked / 4 * 3)
		return false;
	if (size > large->asked)
		large->asked = size;
	return true;
}

void *pa_large_alloc(size_t size, size_t align, bool zero);
void pa_large_free(struct pa_large *large);
void *pa_large_grow(size_t size);
void *pa_large_resize(struct pa_large *large, size_t size);
size_t pa_large_purge(u64 now, u64 delay, size_t most);
size_t pa_large_purge_all(void);
void pa_large_count(u64 *blocks, u64 *bytes);
int pa_large_walk(int (*visitor)(void *ctx, void *block, size_t size), void *ctx);
void pa_large_lock(void);
void pa_large_unlock(void);
void pa_large_fork_child(void);

#endif
