/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Large blocks: more than 32 KiB, or aligned to more than a page. Each has a
 * mapping of its own that begins at a multiple of the arena size, so that its
 * pointer can be masked to a descriptor like any other.
 */
#ifndef PA_LARGE_H
#define PA_LARGE_H

#include "pa_heap.h"

/**
 * struct pa_large - header of a large block
 * @no_owner: 0, where a pool has its owner
 * @next: on the list of large blocks, or in the cache; pa_large_mutex
 * @prev: on the list of large blocks
 * @block: what the caller has
 * @mapped: bytes of the mapping
 * @base: where the mapping begins
 * @magic: where an arena has it: PA_MAGIC_LARGE
 * @flags: PA_LARGE_UNLISTED
 * @stamp: when it was freed, in the cache
 * @no_owner_either: 0, where the second descriptor has its owner
 * @qlink: freed inside a slow path, waiting for who can take the lock
 */
struct pa_large {
	u64 no_owner;
	struct pa_large *next;
	struct pa_large *prev;
	char *block;
	size_t mapped;
	char *base;
	u32 magic;
	u32 flags;
	u64 stamp;
	u64 no_owner_either;
	struct pa_qnode qlink;
	u64 unused[6];
};

void *pa_large_alloc(size_t size, size_t align, bool zero);
void pa_large_free(struct pa_large *large);
void *pa_large_resize(struct pa_large *large, size_t size);
size_t pa_large_usable(const struct pa_large *large);
struct pa_large *pa_large_of(const void *p);
size_t pa_large_purge(u64 now, u64 delay, size_t most);
size_t pa_large_purge_all(void);
void pa_large_count(u64 *blocks, u64 *bytes);
int pa_large_walk(int (*visitor)(void *ctx, void *block, size_t size), void *ctx);
void pa_large_lock(void);
void pa_large_unlock(void);
void pa_large_fork_child(void);

#endif
